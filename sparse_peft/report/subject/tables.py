"""The tables of one subject: what was measured, what it cost, and the losses."""

from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.metrics.pictures import Anchor, scaled
from sparse_peft.report import words
from sparse_peft.report.charts.axes import padded
from sparse_peft.report.charts.dots import dot_bar
from sparse_peft.report.columns import Column, columns
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.tables import costs, smooth_table, table

PICTURE_METRICS = {"subject_fidelity": "subject", "prompt_fidelity": "prompt_score"}

Comparison = Mapping[str, Any]


def anchor_of(comparison: Comparison, metric: str) -> Anchor:
    """The anchors of a metric."""
    return Anchor(**comparison["anchors"][metric])


def entries(comparison: Comparison) -> list[tuple[Column, str, Mapping[str, Any]]]:
    """Every measured row: its column, its name, and what holds its metrics and samples."""
    found: list[tuple[Column, str, Mapping[str, Any]]] = []
    for column in columns(comparison):
        if not column.runs:
            found.append((column, column.label, comparison["base"]))
        for number, run in enumerate(column.runs, 1):
            name = f"{column.label}, run {number}" if len(column.runs) > 1 else column.label
            found.append((column, name, run))
    return found


def metrics_table(comparison: Comparison) -> str:
    """Each metric of each row, on the scale of its anchors, with interval and raw value."""
    noun = escape(comparison["noun"])
    heads = []
    for said in words.METRICS.values():
        ends = f"0 = {said.zero}" + (f"; 100 = {said.hundred}" if said.hundred else "; raw only")
        heads.append(
            f'<th scope="col">{said.title}<small>{said.gloss.replace("{noun}", noun)}</small>'
            f"<small>{ends}</small></th>"
        )
    spans = {metric: _span(comparison, metric) for metric in words.METRICS}
    rows = []
    for column, name, entry in entries(comparison):
        cells = "".join(
            f'<td data-title="{words.METRICS[metric].title}">'
            f"{_value(comparison, column, entry, metric, spans[metric])}</td>"
            for metric in words.METRICS
        )
        rows.append(
            f'<tr data-method="{escape(column.method)}"><th scope="row">'
            f"{_name(column, name, entry)}</th>{cells}</tr>"
        )
    unscaled = [
        words.METRICS[metric].title
        for metric in ("subject_fidelity", "prompt_fidelity", "diversity")
        if comparison["base"]["metrics"][metric] and not anchor_of(comparison, metric).usable
    ]
    note = (
        f'<p class="check"><b>Check:</b> {", ".join(unscaled)}: {words.UNSCALED}</p>'
        if unscaled
        else ""
    )
    if len(words.methods_below(comparison)) > 1:
        note += f'<p class="small">{escape(words.below(comparison))}</p>'
    return table("metrics", ["<th></th>", *heads], rows, "Metrics") + note


def _name(column: Column, name: str, entry: Mapping[str, Any]) -> str:
    flag = '<b class="flag">over budget</b>' if entry.get("over_budget") else ""
    return f"{mark_svg(column.look)} {escape(name)}{flag}"


def _dots(entry: Mapping[str, Any], metric: str, anchor: Anchor) -> list[float]:
    key = PICTURE_METRICS.get(metric)
    if key is None:
        return []
    values = [row[key] for row in entry["samples"]]
    return [scaled(v, anchor) if anchor.usable else v for v in values]


def _span(comparison: Comparison, metric: str) -> tuple[float, float]:
    """The common range of all bars of a metric."""
    anchor = anchor_of(comparison, metric)
    values = [0.0, 100.0] if anchor.usable else []
    for _, _, entry in entries(comparison):
        value = words.measured(entry["metrics"][metric])
        if value:
            values += [end for end in words.on_scale(value, anchor) if end is not None]
            values += _dots(entry, metric, anchor)
    return padded(values or [0.0, 1.0])


def _value(
    comparison: Comparison,
    column: Column,
    entry: Mapping[str, Any],
    metric: str,
    span: tuple[float, float],
) -> str:
    raw = words.measured(entry["metrics"][metric])
    if raw is None:
        return '<span class="none">not measured</span>'
    anchor = anchor_of(comparison, metric)
    value, digits = words.on_scale(raw, anchor), 0 if anchor.usable else 3
    rules = (0.0, 100.0) if anchor.usable else ()
    bar = dot_bar(column.look, value, _dots(entry, metric, anchor), span, rules)
    beside = [words.range_words(value, digits), f"raw {raw.mean:.3f}" if anchor.usable else ""]
    copies = ""
    if metric == "subject_fidelity" and anchor.usable and value.mean > 100.0:
        copies = f"<small><b>Check:</b> {words.COPIES}</small>"
    alone = len(words.methods_below(comparison)) == 1  # of several it is said below the table
    if metric == "prompt_fidelity" and anchor.usable and value.mean < 0.0 and alone:
        copies = f"<small>{words.BELOW}</small>"
    return (
        f'<span class="number">{words.number(value.mean, digits)}</span> '
        f'<span class="range">{", ".join(filter(None, beside))}</span>{bar}{copies}'
    )


def costs_table(comparison: Comparison) -> str:
    """What each run cost: numbers trained, kept and changed, file, seconds, memory."""
    return costs([(_name(column, name, run), run) for column, name, run in entries(comparison)[1:]])


def losses_table(comparison: Comparison) -> str:
    """The table twin of the loss curves; "" without losses."""
    return smooth_table({name: run["losses"] for _, name, run in entries(comparison)[1:]})
