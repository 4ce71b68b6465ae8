"""The grid of the matrix: a row a prompt, a column a method, a square a picture."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.columns import BASE, Column, newest_of
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.subject.matrix import CELLS, MAP_READING, SMALLEST_CELL, sizes
from sparse_peft.ui.panels.matrix.own import Own

BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="

Comparison = Mapping[str, Any]
Source = Callable[[str], str]


def grid(
    comparison: Comparison, shown: Sequence[Column], source: Source, owns: Sequence[Own]
) -> str:
    """All rows, those of own prompts last."""
    rows = [_heads(shown)]
    for number, prompt in enumerate(comparison["prompts"]):
        text = words.shown_prompt(comparison, prompt)
        note = "" if words.names_subject(comparison, prompt) else _elsewhere(comparison)
        cells = [
            _cell(column, str(number), text, _newest(comparison, column, number, source))
            for column in shown
        ]
        rows.append(_row(str(number), prompt, text, note, cells))
    for own in owns:
        note = f"yours, seed {own.seed}" + (f". {own.note}" if own.note else "")
        cells = [
            _cell(column, own.id, own.text, own.pictures.get(_run(column), BLANK))
            for column in shown
        ]
        rows.append(_row(own.id, own.prompt, own.text, note, cells))
    rows[1] = rows[1].replace('class="row"', 'class="row now"', 1)
    return (
        f'<div class="matrix{sizes(shown)}" role="grid" aria-label="Pictures by prompt and method"'
        f' style="{_sizes(shown)}">{"".join(rows)}</div>'
    )


def maps(shown: Sequence[Column], source: Source) -> str:
    """Where one layer changed, under each column, with how many weights did."""
    if not any(column.shown and column.shown["change"] for column in shown):
        return ""
    cells = "".join(_map(column, source) for column in shown)
    return (
        f'<div class="matrix matrix-maps{sizes(shown)}" style="{_sizes(shown)}"><div class="row">'
        f'<div class="prompt">where it changed<small>{MAP_READING}</small></div>{cells}</div></div>'
    )


def _sizes(shown: Sequence[Column]) -> str:
    cell = next((side for most, side in CELLS if len(shown) <= most), SMALLEST_CELL)
    return f"--columns:{len(shown)};--cell:{cell}px"


def _heads(shown: Sequence[Column]) -> str:
    heads = []
    for column in shown:
        run = column.shown
        under = "before any training" if run is None else run["knob"] or ""
        flag = '<b class="flag">over budget</b>' if run and run["over_budget"] else ""
        heads.append(
            f'<div class="head" role="columnheader" data-method="{escape(column.method)}"'
            f' data-view="focus" title="{escape(under)}">{mark_svg(column.look)} '
            f"<b>{escape(column.label)}</b><small>{escape(under)}{flag}</small></div>"
        )
    corner = '<div role="columnheader"><span class="unseen">Prompt</span></div>'
    return f'<div class="row heads" role="row">{corner}{"".join(heads)}</div>'


def _row(name: str, prompt: str, text: str, note: str, cells: Sequence[str]) -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    return (
        f'<div class="row" role="row" data-row="{escape(name)}" data-text="{escape(text)}">'
        f'<div class="prompt" role="rowheader" title="{escape(prompt)}">{escape(text)}{small}</div>'
        f"{''.join(cells)}</div>"
    )


def _elsewhere(comparison: Comparison) -> str:
    return (
        f"This prompt does not name your {comparison['noun']}: it shows what else the training "
        "changed."
    )


def _cell(column: Column, row: str, text: str, address: str) -> str:
    said = f"{column.label}: {text}"
    absent = address == BLANK
    return (
        f'<div class="cell{" absent" if absent else ""}" role="gridcell" tabindex="-1"'
        f' data-method="{escape(column.method)}"><img src="{escape(address)}" alt="{escape(said)}"'
        f' data-column="{escape(column.method)}" data-run="{escape(_run(column))}"'
        f' data-prompt="{escape(row)}" data-text="{escape(said)}" draggable="false">'
        f'<div class="caption" aria-hidden="true">{mark_svg(column.look)} {escape(column.label)}'
        "</div></div>"
    )


def _newest(comparison: Comparison, column: Column, prompt: int, source: Source) -> str:
    seed = comparison["seeds"][0]
    for row in newest_of(comparison, column):
        if row["prompt"] == prompt and row["seed"] == seed:
            return source(row["path"])
    return BLANK


def _run(column: Column) -> str:
    return BASE if column.shown is None else str(column.shown["id"])


def _map(column: Column, source: Source) -> str:
    run, method = column.shown, escape(column.method)
    if run is None or not run["change"]:
        return f'<div class="cell none" data-method="{method}"><p>&ndash;</p></div>'
    changed = words.support(run["footprint"]) if run["footprint"] else ""
    changed = f"{changed} weights" if changed else ""
    return (
        f'<div class="cell" data-method="{method}"><img class="map"'
        f' src="{escape(source(run["change"]))}" alt="{escape(column.label)}: where one layer'
        f' changed"><div class="caption" aria-hidden="true">{mark_svg(column.look)}'
        f' {escape(column.label)}</div><p class="count">{escape(changed)}</p></div>'
    )
