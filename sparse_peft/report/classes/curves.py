"""Accuracy by step while methods train."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report.charts import strokes
from sparse_peft.report.charts.axes import LEFT, RIGHT, WIDTH, Axis, Scale, rules
from sparse_peft.report.charts.names import ENDS_WIDTH, Name, at_ends
from sparse_peft.report.charts.strokes import Place
from sparse_peft.report.classes.levels import guessing, guessing_key, guessing_line, upward
from sparse_peft.report.classes.lines import Comparison, Line, lines
from sparse_peft.report.columns import MANY
from sparse_peft.report.tables import folded, table

FAINT = 0.3  # opacity of a single draw; look.css hides them by it where rows are many


def by_step(comparison: Comparison) -> str:
    """Held-out accuracy by step: each draw faint, their mean as a line; references level."""
    shown = lines(comparison)
    trained = [line for line in shown if line.row["history"]]
    if not trained:
        return '<p class="none">Nothing was measured on the way yet.</p>'
    level = [line for line in shown if not line.trained and line.metric("accuracy")]
    many = len(shown) >= MANY
    end = max(row["step"] for line in trained for row in line.row["history"])
    across = Scale(0, end, LEFT, WIDTH - (ENDS_WIDTH if many else RIGHT))
    up = upward([100 * each for each in _values(trained, level)])
    chance = guessing_line(comparison, across, up)
    body = [
        *rules(Axis("step"), across, vertical=False),
        *rules(Axis("accuracy, %"), up, vertical=True, end=across.end),
        chance,
        *(_level(line, across, up) for line in level),
        *(_draws(line, across, up) for line in trained),
        *(_mean(line, across, up) for line in trained),
        *(_mark(line, across, up) for line in trained),
        *(at_ends([_name(line, across, up) for line in trained]) if many else ()),
    ]
    described = "; ".join(f"{line.label}: {_end(line)[1]:.1f}%" for line in trained)
    keyed = level if many else [line for line in shown if line in level or line in trained]
    names = [(line.label, line.look, line.method) for line in keyed]
    return strokes.key(names, [guessing_key(comparison, drawn=bool(chance))]) + strokes.figure(
        f"Accuracy by step, at the end {described}", body, many=many
    )


def by_step_table(comparison: Comparison) -> str:
    """The table twin of `by_step`, guessing as its last row; "" without a measurement."""
    trained = [line for line in lines(comparison) if line.row["history"]]
    steps = sorted({row["step"] for line in trained for row in line.row["history"]})
    if not steps:
        return ""
    found = [{row["step"]: row["accuracy"] for row in line.row["history"]} for line in trained]
    heads = ["<th></th>", *(f'<th scope="col">{escape(line.label)}</th>' for line in trained)]
    rows = [
        _table_row(f"Step {step}", trained, [told.get(step) for told in found]) for step in steps
    ]
    rows.append(_table_row("Guessing", trained, [guessing(comparison)] * len(trained)))
    return folded("The lines as a table", table("losses costs", heads, rows))


def _table_row(head: str, shown: Sequence[Line], values: Sequence[float | None]) -> str:
    cells = "".join(
        f'<td class="mono" data-title="{escape(line.label)}">'
        f"{'none' if value is None else f'{100 * value:.1f} %'}</td>"
        for line, value in zip(shown, values, strict=True)
    )
    return f'<tr><th scope="row">{escape(head)}</th>{cells}</tr>'


def _values(trained: Sequence[Line], level: Sequence[Line]) -> list[float]:
    """Everything that is drawn, from 0 to 1."""
    found = [row["accuracy"] for line in trained for run in line.row["runs"]
             for row in run["history"]]  # fmt: skip
    return found + [value.mean for line in level if (value := line.metric("accuracy"))]


def _level(line: Line, across: Scale, up: Scale) -> str:
    """A reference, which no step changes."""
    value = line.metric("accuracy")
    assert value is not None
    ends = [(across.low, 100 * value.mean), (across.high, 100 * value.mean)]
    return strokes.line(line.look, ends, across, up, method=line.method)


def _draws(line: Line, across: Scale, up: Scale) -> str:
    """Each draw of a row; "" where its mean is the only one."""
    runs = line.row["runs"] if len(line.row["runs"]) > 1 else ()
    return "".join(
        strokes.line(line.look, _points(run["history"]), across, up, faint=FAINT,
                     method=line.method)
        for run in runs
    )  # fmt: skip


def _mean(line: Line, across: Scale, up: Scale) -> str:
    return strokes.line(line.look, _points(line.row["history"]), across, up, method=line.method)


def _mark(line: Line, across: Scale, up: Scale) -> str:
    return strokes.mark(line.look, _end(line), across, up, method=line.method)


def _name(line: Line, across: Scale, up: Scale) -> Name:
    step, accuracy = _end(line)
    return Name(line.label, line.look, across(step), up(accuracy), line.method)


def _end(line: Line) -> Place:
    """The newest step of a row and its accuracy there, in per cent."""
    return _points(line.row["history"][-1:])[0]


def _points(history: Sequence[Mapping[str, Any]]) -> list[Place]:
    return [(row["step"], 100 * row["accuracy"]) for row in history]
