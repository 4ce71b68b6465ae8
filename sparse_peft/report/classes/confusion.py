"""What was taken for what: a matrix whose mistakes open their pictures, or a list of the worst."""

from collections.abc import Mapping, Sequence
from html import escape
from math import sqrt
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.classes.lines import Comparison, Line, lines
from sparse_peft.report.marks import hue, mark_svg

MOST_CLASSES = 20  # with more, a list of the most frequent mistakes
BESIDE = 8  # of which stand beside a matrix
DEPTH, DEEPEST = 90, 50  # per cent of a method's colour by the root of the share, and at most
CLASSES_ON_PHONE = 6  # a phone shows a matrix of so many, else the list alone
CLASSES_BESIDE = 12  # a list has room beside a matrix of so many, else it stands below


def confusions(comparison: Comparison) -> str:
    """A choice of rows and the mistakes of each; a button opens the pictures of a mistake."""
    shown, first = _measured(comparison), shown_first(comparison)
    if first is None:
        return '<p class="none">Nothing was measured yet.</p>'
    choice = "".join(
        f'<label data-method="{escape(line.method)}">'
        f'<input type="radio" name="confusion" value="{escape(line.method)}"'
        f"{' checked' if line.method == first.method else ''}><span>{mark_svg(line.look)} "
        f"{escape(line.label)}</span></label>"
        for line in shown
    )
    parts = "".join(
        f'<div class="confusion" data-row="{escape(line.method)}"'
        f"{'' if line.method == first.method else ' hidden'}>{_mistakes(comparison, line)}</div>"
        for line in shown
    )
    return (
        '<fieldset class="choice rows" data-ordered><legend>Mistakes of</legend>'
        f"{choice}</fieldset>"
        f'{parts}<dialog class="mistake"></dialog>'
    )


def shown_first(comparison: Comparison) -> Line | None:
    """The row whose mistakes are in view before anyone chooses; None until one is measured.

    The first method that was trained and measured, else the first reference: what training has
    changed is the question.
    """
    shown = _measured(comparison)
    return next((line for line in shown if line.trained), next(iter(shown), None))


def dialog_data(comparison: Comparison, sources: Mapping[str, str]) -> dict[str, Any]:
    """What the dialog of a report shows.

    Args:
        sources: the picture at each place.
    """
    return {
        "pictures": sources,
        "names": comparison["names"],
        "classes": comparison["classes"],
        "draws": len(comparison["seeds"]),
        "rows": {
            row["method"]: {"label": row["label"], "confused": row["confused"]}
            for row in comparison["runs"]
        },
    }


def _measured(comparison: Comparison) -> list[Line]:
    return [line for line in lines(comparison) if line.metric("accuracy")]


def _mistakes(comparison: Comparison, line: Line) -> str:
    counts = line.row["confusion"]
    if not line.row["most_confused"]:
        return f"<p>{escape(line.label)} makes no mistake on these test pictures.</p>"
    if counts is None or len(counts) > MOST_CLASSES:
        many = words.count(len(comparison["classes"]))
        return (
            f'<div class="large">{_list(comparison, line, len(line.row["most_confused"]))}</div>'
            f'<p class="muted">Of {many} classes only the most frequent mistakes; every answer is '
            "in predictions.csv.</p>"
        )
    size = " on-phone" if len(counts) <= CLASSES_ON_PHONE else ""
    size = " large" if len(counts) > CLASSES_BESIDE else size
    return (
        f'<div class="matrix-and-list{size}"><div class="wide">{_matrix(comparison, line)}</div>'
        f"<div><h3>Most often taken for another</h3>{_list(comparison, line, BESIDE)}</div></div>"
    )


def _matrix(comparison: Comparison, line: Line) -> str:
    names, counts = comparison["classes"], line.row["confusion"]
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(names, counts[truth], truth, predicted) for predicted in range(len(names)))
        + "</tr>"
        for truth, name in enumerate(names)
    )
    return (
        f'<table class="confused" style="--hue:{hue(line.look)}">'
        f"<caption>Rows: what the picture shows. Columns: what {escape(line.label)} took it for. "
        f"Numbers: answers{' over all draws' if len(comparison['seeds']) > 1 else ''}.</caption>"
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(names: Sequence[str], row: Sequence[int], truth: int, predicted: int) -> str:
    count, share = row[predicted], row[predicted] / max(1, sum(row))
    if truth == predicted:
        return f'<td class="right" style="--share:{100 * share:.0f}%">{count}</td>'
    if not count:
        return "<td></td>"
    depth = min(DEEPEST, DEPTH * sqrt(share))  # a root: one mistake of a hundred can be seen
    return (
        f'<td><button type="button" data-truth="{truth}" data-predicted="{predicted}"'
        f' style="--share:{depth:.0f}%" aria-label="{escape(_said(names, truth, predicted, count))}'
        f'">{count}</button></td>'
    )


def _list(comparison: Comparison, line: Line, most: int) -> str:
    names = comparison["classes"]
    rows = "".join(
        f'<li><button type="button" data-truth="{one["truth"]:d}"'
        f' data-predicted="{one["predicted"]:d}"'
        f"><b>{escape(names[one['truth']])}</b> taken for <b>{escape(names[one['predicted']])}</b>"
        f'</button><span class="mono">{one["count"]:d} of {one["of"]:d}</span></li>'
        for one in line.row["most_confused"][:most]
    )
    return f'<ol class="worst">{rows}</ol>'


def _said(names: Sequence[str], truth: int, predicted: int, count: int) -> str:
    return f"{names[truth]} taken for {names[predicted]}: {count}"
