"""The matrix of pictures as HTML: prompts as rows, columns as methods, all steps inside."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.columns import BASE, Column, columns, newest_of
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.pictures import Source, Sources

CELLS = ((5, 224), (8, 136))  # columns up to which a cell is that wide
SMALLEST_CELL = 70
THREE_ON_PHONE = 7  # columns from which a phone shows three side by side
MOST_STOPS = 8  # earlier steps inside the page: all are in the folder beside it

Comparison = Mapping[str, Any]


def matrix(comparison: Comparison, source: Source) -> str:
    """Head, one row a prompt with the first seed's test pictures, and the maps of what changed."""
    shown = columns(comparison)
    rows = [_heads(shown)]
    for number, prompt in enumerate(comparison["prompts"]):
        rows.append(_row(comparison, shown, number, prompt, source))
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
            last, steps[run["id"]] = last_step(run), _steps(run, whole)
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


def all_steps(comparison: Comparison, *, whole: bool = False) -> list[int]:
    """Stops of the slider: 0 is the base."""
    return sorted({0, *(step for run in comparison["runs"] for step in _steps(run, whole))})


def last_step(run: Mapping[str, Any]) -> int:
    """The step at which a run's test pictures were drawn."""
    return int(run["settings"]["steps"] if run["stopped_at"] is None else run["stopped_at"])


def due(run: Mapping[str, Any]) -> list[int]:
    """Steps whose pictures are still to come."""
    if run["state"] not in ("queued", "running"):
        return []
    steps, every = run["settings"]["steps"], run["settings"].get("sample_every")
    drawn = {row["step"] for row in run["history"]}
    planned = range(every, steps, every) if every else ()
    return [step for step in (*planned, steps) if step == steps or step not in drawn]


def _steps(run: Mapping[str, Any], whole: bool) -> list[int]:
    """Steps with pictures, the newest last; those of the rows among them in any case."""
    drawn = {row["step"] for row in run["history"]}
    if run["samples"]:
        drawn = {step for step in drawn if step < last_step(run)} | {last_step(run)}
    *earlier, last = sorted(drawn) or [0]
    stride = 1 if whole else -(-len(earlier) // MOST_STOPS) or 1
    return [*earlier[::stride], last] if drawn else []


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
    note = ""
    if not words.names_subject(comparison, prompt):
        note = (
            f"<small>This prompt does not name your {escape(comparison['noun'])}: it shows what "
            "else the training changed.</small>"
        )
    cells = [_cell(comparison, column, number, text, source) for column in shown]
    return (
        f'<div class="row"><div class="prompt" title="{escape(prompt)}">{escape(text)}{note}</div>'
        f"{''.join(cells)}</div>"
    )


def _cell(comparison: Comparison, column: Column, number: int, text: str, source: Source) -> str:
    seed = comparison["seeds"][0]
    drawn = newest_of(comparison, column)
    found = [row for row in drawn if row["prompt"] == number and row["seed"] == seed]
    caption = f"<figcaption>{mark_svg(column.look)} {escape(column.label)}</figcaption>"
    method = f' data-method="{escape(column.method)}"'
    if not found:
        why = _absent(column, number)
        return f'<figure class="cell empty"{method}><p>{escape(why)}</p>{caption}</figure>'
    path, step = found[0]["path"], found[0].get("step")
    alt = f"{column.label}: {text}, seed {seed}" + ("" if step is None else f", step {step}")
    return (
        f'<figure class="cell"{method}><img src="{escape(source(path))}" alt="{escape(alt)}"'
        f' data-column="{escape(column.method)}" data-run="{_id(column)}" data-prompt="{number}"'
        f' data-text="{escape(f"{column.label}: {text}")}" draggable="false">{caption}</figure>'
    )


def _absent(column: Column, number: int) -> str:
    """Why a square is empty: its step to come, or what became of the run, said once a column."""
    run = column.shown
    if run and due(run):
        return f"step {due(run)[0]}"
    return (words.state(run) if run and number == 0 else None) or "not drawn"


def _id(column: Column) -> str:
    return BASE if column.shown is None else escape(column.shown["id"])


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
        '<div class="row maps"><div class="prompt">where it changed<small>one layer, the same for '
        f"all; darker = changed more</small></div>{''.join(cells)}</div>"
    )


def _choice(name: str, title: str, values: Sequence[int]) -> str:
    options = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"'
        f"{' checked' if place == 0 else ''}><span>{value}</span></label>"
        for place, value in enumerate(values)
    )
    return f'<fieldset class="choice"><legend>{title}</legend>{options}</fieldset>'
