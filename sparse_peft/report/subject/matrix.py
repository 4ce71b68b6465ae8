"""The matrix of pictures as HTML: prompts as rows, columns as methods, all steps inside."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.columns import BASE, Column, columns, newest_of
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.pictures import Source, Sources
from sparse_peft.report.subject.steps import all_steps, due, last_step, steps_of

CELLS = ((5, 224), (8, 136))  # columns up to which a cell is that wide
SMALLEST_CELL = 70
THREE_ON_PHONE = 7  # columns from which a phone shows three side by side
DRAWN_AFTER = "drawn after the training"
MAP_READING = (
    "one layer, the same for all; darker = changed more. The number counts what changed in all "
    "layers"
)

Comparison = Mapping[str, Any]


def matrix(comparison: Comparison, source: Source) -> str:
    """Head, a row a prompt with the first seed's test pictures, prompts drawn later, and maps."""
    shown = columns(comparison)
    rows = [_heads(shown)]
    for number, prompt in enumerate(comparison["prompts"]):
        rows.append(_row(comparison, shown, number, prompt, source))
    rows += [_drawn_row(comparison, shown, drawn, source) for drawn in drawn_after(comparison)]
    if any(run["change"] for run in comparison["runs"]):
        rows.append(_maps(shown, source))
    cell = next((side for most, side in CELLS if len(shown) <= most), SMALLEST_CELL)
    return (
        f'<div class="matrix{sizes(shown)}" tabindex="0" role="group"'
        f' aria-label="Pictures by prompt and method"'
        f' style="--columns:{len(shown)};--cell:{cell}px">{"".join(rows)}</div>'
    )


def sizes(shown: Sequence[Column]) -> str:
    """The classes of a matrix with so many columns."""
    small = len(shown) > CELLS[-1][0]
    return (" many" if len(shown) >= THREE_ON_PHONE else "") + (" small" if small else "")


def controls(comparison: Comparison, *, whole: bool = False) -> str:
    """Step slider, seeds and training runs; shown by the script that serves them."""
    steps = all_steps(comparison, whole=whole)
    trainings = max((len(column.runs) for column in columns(comparison)), default=0)
    last = len(steps) - 1
    return (
        '<div class="controls" hidden>'
        f'<label class="step">Step <input type="range" id="step" min="0" max="{last}" '
        f'value="{last}"><output id="at">{steps[-1]}</output></label>'
        + _choice("seed", "Seed", comparison["seeds"])
        + (_choice("training", "Training run", range(1, trainings + 1)) if trainings > 1 else "")
        + '<p class="hint">Hold <kbd>B</kbd>, or press and hold a picture: the base.'
        " <kbd>,</kbd> <kbd>.</kbd> step back and on.</p></div>"
    )


def matrix_data(comparison: Comparison, sources: Sources, *, whole: bool = False) -> dict[str, Any]:
    """What the script of the matrix reads: pictures by run/step/prompt/seed, steps, columns.

    Args:
        whole: every picture; else what one file can carry beside those of the rows: at most eight
            earlier steps, of each column's first training.
    """
    pictures, steps = {}, {}
    first = comparison["seeds"][0]
    for row in comparison["base"]["samples"]:
        if whole or row["seed"] != first:
            pictures[f"{BASE}/0/{row['prompt']}/{row['seed']}"] = sources.test(row["path"])
    for column in columns(comparison)[1:]:
        for run in column.runs:
            last, steps[run["id"]] = last_step(run), steps_of(run, whole=whole)
            shown = run is column.shown
            test = sources.test if shown else sources.again
            for row in run["samples"]:
                if whole or row["seed"] != first or not shown:
                    pictures[_key(run, last, row)] = test(row["path"])
            for row in run["history"] if shown or whole else ():
                if row["step"] in steps[run["id"]] and not (run["samples"] and row["step"] >= last):
                    pictures[_key(run, row["step"], row)] = sources.way(row["path"])
    return {
        "pictures": pictures,
        "steps": steps,
        "all": all_steps(comparison, whole=whole),
        "due": {run["id"]: due(run) for run in comparison["runs"]},
        "columns": {c.method: [run["id"] for run in c.runs] for c in columns(comparison)[1:]},
    }


def _key(run: Mapping[str, Any], step: int, row: Mapping[str, Any]) -> str:
    return f"{run['id']}/{step}/{row['prompt']}/{row['seed']}"


def _heads(shown: Sequence[Column]) -> str:
    heads = []
    for column in shown:
        run = column.shown
        under = "before any training" if run is None else run["knob"] or ""
        flag = '<b class="flag">over budget</b>' if run and run["over_budget"] else ""
        heads.append(
            f'<div class="head" data-method="{escape(column.method)}" title="{escape(under)}">'
            f"{mark_svg(column.look)} <b>{escape(column.label)}</b>"
            f"<small>{escape(under)}{flag}</small></div>"
        )
    return f'<div class="row heads"><div></div>{"".join(heads)}</div>'


def _row(
    comparison: Comparison, shown: Sequence[Column], number: int, prompt: str, source: Source
) -> str:
    text = words.shown_prompt(comparison, prompt)
    note = "" if words.names_subject(comparison, prompt) else _elsewhere(comparison)
    cells = [_test_cell(comparison, column, number, text, source) for column in shown]
    return _prompt_row(prompt, text, note, cells)


def _elsewhere(comparison: Comparison) -> str:
    return (
        f"This prompt does not name your {comparison['noun']}: it shows what else the training "
        "changed."
    )


def _prompt_row(prompt: str, text: str, note: str, cells: Sequence[str]) -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    return (
        f'<div class="row"><div class="prompt" title="{escape(prompt)}">{escape(text)}{small}</div>'
        f"{''.join(cells)}</div>"
    )


def _test_cell(
    comparison: Comparison, column: Column, number: int, text: str, source: Source
) -> str:
    seed = comparison["seeds"][0]
    drawn = newest_of(comparison, column)
    found = [row for row in drawn if row["prompt"] == number and row["seed"] == seed]
    if not found:
        return _empty_cell(column, _absent(column, number))
    step = found[0].get("step")
    alt = f"{text}, seed {seed}" + ("" if step is None else f", step {step}")
    return _cell(column, str(number), text, alt, source(found[0]["path"]))


def _cell(column: Column, row: str, text: str, alt: str, address: str) -> str:
    """A picture in its square.

    Args:
        row: what the script calls its row.
        text: the prompt as a person says it; `alt` says more of the picture.
    """
    said, alt = (escape(f"{column.label}: {words}") for words in (text, alt))
    return (
        f'<figure class="cell" data-method="{escape(column.method)}"><img src="{escape(address)}"'
        f' alt="{alt}" data-column="{escape(column.method)}" data-run="{escape(_id(column))}"'
        f' data-prompt="{escape(row)}" data-text="{said}" draggable="false">{_caption(column)}'
        "</figure>"
    )


def _empty_cell(column: Column, why: str) -> str:
    return (
        f'<figure class="cell empty" data-method="{escape(column.method)}"><p>{escape(why)}</p>'
        f"{_caption(column)}</figure>"
    )


def _caption(column: Column) -> str:
    return f"<figcaption>{mark_svg(column.look)} {escape(column.label)}</figcaption>"


def drawn_after(comparison: Comparison) -> list[Mapping[str, Any]]:
    """Prompts of the person's own, drawn after the training; none in files of older versions."""
    return [drawn for drawn in comparison.get("drawn", ()) if not drawn["error"]]


def drawn_data(comparison: Comparison, sources: Sources) -> dict[str, Any]:
    """What the script of the matrix reads of them, less the pictures that stand in the rows."""
    shown = {_id(column) for column in columns(comparison)}
    drawn = drawn_after(comparison)
    return {
        "own": {_drawn_name(one): one["seed"] for one in drawn},
        "pictures": {
            f"{run}/own/{_drawn_name(one)}/{one['seed']}": sources.again(sample["path"])
            for one in drawn
            for run, sample in one["samples"].items()
            if run not in shown
        },
    }


def _drawn_name(drawn: Mapping[str, Any]) -> str:
    return f"own-{drawn['run']}"


def _drawn_row(
    comparison: Comparison, shown: Sequence[Column], drawn: Mapping[str, Any], source: Source
) -> str:
    text = words.shown_prompt(comparison, drawn["prompt"])
    note = f"{DRAWN_AFTER}, seed {drawn['seed']}. Not in the numbers."
    cells = []
    for column in shown:
        sample = drawn["samples"].get(_id(column))
        alt = f"{text}, seed {drawn['seed']}"
        cells.append(
            _cell(column, _drawn_name(drawn), text, alt, source(sample["path"]))
            if sample
            else _empty_cell(column, "not drawn")
        )
    return _prompt_row(drawn["prompt"], text, note, cells)


def _absent(column: Column, number: int) -> str:
    """Why a square is empty: its step to come, or what became of the run, said once a column."""
    run = column.shown
    if run and due(run):
        return f"step {due(run)[0]}"
    return (words.state(run) if run and number == 0 else None) or "not drawn"


def _id(column: Column) -> str:
    return BASE if column.shown is None else str(column.shown["id"])


def _maps(shown: Sequence[Column], source: Source) -> str:
    cells = []
    for column in shown:
        run, name = column.shown, escape(column.label)
        method = f' data-method="{escape(column.method)}"'
        if run is None or not run["change"]:
            cells.append(f'<figure class="cell none"{method}><p>none</p></figure>')
            continue
        changed = ""
        if run["footprint"]:
            changed = words.support(run["footprint"])
            changed = "all weights" if changed == "all" else f"{changed} weights"
        cells.append(
            f'<figure class="cell"{method}><img class="map" src="{escape(source(run["change"]))}"'
            f' alt="{name}: where one layer changed">'
            f"<figcaption>{mark_svg(column.look)} {name}</figcaption>"
            f'<p class="count">{escape(changed)}</p></figure>'
        )
    return (
        f'<div class="row maps"><div class="prompt">where it changed<small>{MAP_READING}</small>'
        f"</div>{''.join(cells)}</div>"
    )


def _choice(name: str, title: str, values: Sequence[int]) -> str:
    options = "".join(
        f'<label><input type="radio" name="{name}" value="{value:d}"'
        f"{' checked' if place == 0 else ''}><span>{value:d}</span></label>"
        for place, value in enumerate(values)
    )
    return f'<fieldset class="choice"><legend>{title}</legend>{options}</fieldset>'
