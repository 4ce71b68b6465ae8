"""The tables of a few-shot comparison: numbers, classes one by one, and what it cost."""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean
from typing import Any

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report import words
from sparse_peft.report.charts.axes import Number, padded
from sparse_peft.report.charts.dots import dot_bar
from sparse_peft.report.classes.bars import small_bar
from sparse_peft.report.classes.lines import Comparison, Line, lines, named
from sparse_peft.report.classes.words import METRICS, frozen_words, percent, percents
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.tables import costs, table

ALL_CLASSES = 30  # with more, only those on which the rows differ most
DIFFERING = 20


def metrics_table(comparison: Comparison) -> str:
    """Each metric of each row with its interval; metrics of new classes where there are any."""
    shown = lines(comparison)
    new = bool(comparison["new_classes"])
    metrics = [name for name in METRICS if new or name not in ("new_accuracy", "harmonic_mean")]
    spans = {name: _span(shown, name) for name in metrics}
    heads = [
        f'<th scope="col">{METRICS[name].title}<small>{METRICS[name].gloss}</small></th>'
        for name in metrics
    ]
    rows = [
        f'<tr data-method="{escape(line.method)}"><th scope="row">{named(line)}</th>'
        + "".join(
            f'<td data-title="{METRICS[name].title}">{_value(line, name, spans[name])}</td>'
            for name in metrics
        )
        + "</tr>"
        for line in shown
    ]
    return table("metrics by-row", ["<th></th>", *heads], rows, "Numbers")


def _span(shown: Sequence[Line], metric: str) -> tuple[Number, Number]:
    """The common range of all bars of a metric, in per cent."""
    found = [value for line in shown if (value := line.metric(metric))]
    return padded([100 * end for value in found for end in value if end is not None] or [0, 100])


def _value(line: Line, metric: str, span: tuple[Number, Number]) -> str:
    value = line.metric(metric)
    if value is None:
        return '<span class="none">not measured</span>'
    low, high = (None if end is None else 100 * end for end in value[1:])
    bar = dot_bar(line.look, Interval(100 * value.mean, low, high), (), span)
    return (
        f'<span class="number">{percent(value.mean)}</span> '
        f'<span class="range">{percents(value)}</span>{bar}'
    )


def class_table(comparison: Comparison) -> str:
    """Accuracy on each class, one small bar a row; of very many classes those that differ most."""
    shown = [line for line in lines(comparison) if line.row["metrics"]["per_class"]]
    if not shown:
        return '<p class="none">Nothing was measured yet.</p>'
    names = comparison["classes"]
    chosen = names if len(names) <= ALL_CLASSES else _differing(shown, names)
    zero, counts = shown[0], _counts(comparison, shown)
    each = set(counts.values())
    heads = "".join(
        f'<th scope="col" data-method="{escape(line.method)}">{mark_svg(line.look)} '
        f"{escape(line.label)}</th>"
        for line in shown
    )
    rows = [
        f'<tr><th scope="row">{escape(name)}{_counted(counts, name) if len(each) > 1 else ""}</th>'
        + "".join(_class_cell(line, name, zero.of_class(name)) for line in shown)
        + "</tr>"
        for name in chosen
    ]
    note = ""
    if len(each) == 1:
        note = f'<p class="muted">{_pictures(*each)} of each class.</p>'
    if len(chosen) < len(names):
        note += (
            f'<p class="muted">The {len(chosen)} of {words.count(len(names))} classes on which the '
            "rows differ most; all are in comparison.json.</p>"
        )
    many, title = len(shown) >= MANY, "Accuracy class by class"
    return note + table("by-class costs", ["<th></th>", heads], rows, title if many else "",
                        wide=many)  # fmt: skip


def _counts(comparison: Comparison, shown: Sequence[Line]) -> dict[str, int]:
    """Test pictures of each class on one draw; empty where no row kept its whole matrix."""
    for line in shown:
        draws = sum(run["accuracy"] is not None for run in line.row["runs"])
        if line.row["confusion"] and draws:
            told = zip(comparison["classes"], line.row["confusion"], strict=True)
            return {name: sum(answers) // draws for name, answers in told}
    return {}


def _counted(counts: Mapping[str, int], name: str) -> str:
    return f"<small>{_pictures(counts[name])}</small>"


def _pictures(number: int) -> str:
    return f"{words.count(number)} test picture{'' if number == 1 else 's'}"


def _differing(shown: Sequence[Line], names: Sequence[str]) -> list[str]:
    def gap(name: str) -> float:
        values = [value.mean for line in shown if (value := line.of_class(name))]
        return max(values, default=0.0) - min(values, default=0.0)

    return sorted(names, key=lambda name: (-gap(name), name))[:DIFFERING]


def _class_cell(line: Line, name: str, zero: Interval | None) -> str:
    value = line.of_class(name)
    method = escape(line.method)
    head = f'<td data-title="{escape(line.label)}" data-method="{method}">'
    if value is None:
        return f'{head}<span class="none">no pictures</span></td>'
    bar = small_bar(line.look, value.mean, zero.mean if zero else None)
    several = percents(value, 0)
    title = f' title="{several}"' if several else ""
    return f'{head}<span class="mono"{title}>{percent(value.mean, 0)}</span>{bar}</td>'


def costs_table(comparison: Comparison) -> str:
    """What the trainings of each method cost: means over its draws, memory the largest."""
    trained = [line for line in lines(comparison) if line.trained]
    if not trained:
        return '<p class="none">Nothing is trained in this comparison.</p>'
    note = ""
    if len(comparison["seeds"]) > 1:
        note = (
            '<p class="muted">File, training and step: means over the draws; memory: the largest. '
            f"{frozen_words(comparison)}</p>"
        )
    return costs([(named(line), _cost(line.row)) for line in trained]) + note


def _cost(row: Mapping[str, Any]) -> dict[str, Any]:
    def told(key: str) -> list[Number]:
        return [run[key] for run in row["runs"] if run[key] is not None]

    size, seconds, step = (told(key) for key in ("adapter_bytes", "seconds", "step_ms"))
    return {
        "method": row["method"],
        "knob": row["knob"],
        "footprint": row["footprint"],
        "adapter_bytes": round(fmean(size)) if size else None,
        "seconds": fmean(seconds) if seconds else None,
        "step_ms": fmean(step) if step else None,
        "peak_mib": max(told("peak_mib"), default=None),
        "beside": max(told("beside"), default=None),
    }
