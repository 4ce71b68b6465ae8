"""The matrix of pictures as HTML: prompts as rows, columns as methods, all steps inside."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from sparse_peft.report import words
from sparse_peft.report.columns import BASE, Column, columns, samples_of
from sparse_peft.report.marks import mark_svg

EXACT_SIDE = 96  # pixels up to which a test picture is embedded as it is
TEST_SIDE, WAY_SIDE = 224, 160  # pixels to which larger ones are brought down
CELLS = ((5, 224), (8, 136))  # columns up to which a cell is that wide
SMALLEST_CELL = 70
MANY = 7  # columns from which a phone shows three side by side
MOST_STOPS = 8  # earlier steps inside the page: all are in the folder beside it

Comparison = Mapping[str, Any]


def embedded(path: Path, *, exact: bool = True, side: int = TEST_SIDE) -> str:
    """A picture as a data URI: small ones whole, or in 256 colours where not `exact`."""
    with Image.open(path) as picture:
        if max(picture.size) <= EXACT_SIDE and exact:
            return _data("png", path.read_bytes())
        image = picture.convert("RGB")
    buffer = io.BytesIO()
    if max(image.size) <= EXACT_SIDE:
        image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
        return _data("png", buffer.getvalue())
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(buffer, "JPEG", quality=88)  # brought down, it is no longer the sample anyway
    return _data("jpeg", buffer.getvalue())


def matrix(comparison: Comparison, folder: Path) -> str:
    """Head, one row a prompt with the first seed's test pictures, and the maps of what changed."""
    shown = columns(comparison)
    rows = [_heads(shown)]
    for number, prompt in enumerate(comparison["prompts"]):
        rows.append(_row(comparison, shown, number, prompt, folder))
    if any(run["change"] for run in comparison["runs"]):
        rows.append(_maps(shown, folder))
    cell = next((side for most, side in CELLS if len(shown) <= most), SMALLEST_CELL)
    return (
        f'<div class="matrix{" many" if len(shown) >= MANY else ""}" tabindex="0" role="group"'
        f' aria-label="Pictures by prompt and method"'
        f' style="--columns:{len(shown)};--cell:{cell}px">{"".join(rows)}</div>'
    )


def controls(comparison: Comparison) -> str:
    """Step slider, seeds and training runs; shown by the script that serves them."""
    steps = all_steps(comparison)
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


def picture_data(comparison: Comparison, folder: Path) -> str:
    """JSON for the script: the pictures that the rows do not hold, by run/step/prompt/seed."""
    pictures, steps = {}, {}
    first = comparison["seeds"][0]
    for row in comparison["base"]["samples"]:
        if row["seed"] != first:
            pictures[f"base/0/{row['prompt']}/{row['seed']}"] = embedded(folder / row["path"])
    for column in columns(comparison)[1:]:
        for run in column.runs:
            last = last_step(run)
            steps[run["id"]] = _steps(run)
            shown = run is column.shown
            for row in run["samples"]:
                if row["seed"] != first or not shown:
                    key = f"{run['id']}/{last}/{row['prompt']}/{row['seed']}"
                    pictures[key] = embedded(folder / row["path"], exact=shown)
            for row in run["history"] if shown else ():
                if row["step"] in steps[run["id"]] and row["step"] < last:
                    key = f"{run['id']}/{row['step']}/{row['prompt']}/{row['seed']}"
                    pictures[key] = embedded(folder / row["path"], exact=False, side=WAY_SIDE)
    value = {
        "pictures": pictures,
        "steps": steps,
        "all": all_steps(comparison),
        "columns": {c.method: [run["id"] for run in c.runs] for c in columns(comparison)[1:]},
    }
    return json.dumps(value).replace("<", "\\u003c")  # no text can close the script element


def all_steps(comparison: Comparison) -> list[int]:
    """Stops of the slider: 0 is the base."""
    return sorted({0, *(step for run in comparison["runs"] for step in _steps(run))})


def last_step(run: Mapping[str, Any]) -> int:
    """The step at which a run's test pictures were drawn."""
    return int(run["settings"]["steps"] if run["stopped_at"] is None else run["stopped_at"])


def _steps(run: Mapping[str, Any]) -> list[int]:
    if not run["samples"]:
        return []
    last = last_step(run)
    earlier = sorted({row["step"] for row in run["history"] if row["step"] < last})
    return [*earlier[:: -(-len(earlier) // MOST_STOPS) or 1], last]


def _heads(shown: Sequence[Column]) -> str:
    heads = []
    for column in shown:
        run = column.shown
        under = "before any training" if run is None else run["knob"] or ""
        flag = '<b class="flag">over budget</b>' if run and run["over_budget"] else ""
        heads.append(
            f'<div class="head">{mark_svg(column.look)} <b>{escape(column.label)}</b>'
            f"<small>{escape(under)}{flag}</small></div>"
        )
    return f'<div class="row heads"><div></div>{"".join(heads)}</div>'


def _row(
    comparison: Comparison, shown: Sequence[Column], number: int, prompt: str, folder: Path
) -> str:
    text = words.shown_prompt(comparison, prompt)
    note = ""
    if not words.names_subject(comparison, prompt):
        note = (
            f"<small>This prompt does not name your {escape(comparison['noun'])}: it shows what "
            "else the training changed.</small>"
        )
    cells = [_cell(comparison, column, number, text, folder) for column in shown]
    return (
        f'<div class="row"><div class="prompt" title="{escape(prompt)}">{escape(text)}{note}</div>'
        f"{''.join(cells)}</div>"
    )


def _cell(comparison: Comparison, column: Column, number: int, text: str, folder: Path) -> str:
    seed = comparison["seeds"][0]
    path = next(
        (
            row["path"]
            for row in samples_of(comparison, column)
            if row["prompt"] == number and row["seed"] == seed
        ),
        None,
    )
    caption = f"<figcaption>{mark_svg(column.look)} {escape(column.label)}</figcaption>"
    if path is None:
        run = column.shown
        why = (words.state(run) if run and number == 0 else None) or "not drawn"
        return f'<figure class="cell empty"><p>{escape(why)}</p>{caption}</figure>'
    alt = f"{column.label}: {text}, seed {seed}"
    return (
        f'<figure class="cell"><img src="{embedded(folder / path)}" alt="{escape(alt)}"'
        f' data-column="{escape(column.method)}" data-run="{_id(column)}" data-prompt="{number}"'
        f' data-text="{escape(f"{column.label}: {text}")}" draggable="false">{caption}</figure>'
    )


def _id(column: Column) -> str:
    return BASE if column.shown is None else escape(column.shown["id"])


def _maps(shown: Sequence[Column], folder: Path) -> str:
    cells = []
    for column in shown:
        run, name = column.shown, escape(column.label)
        if run is None or not run["change"]:
            cells.append('<figure class="cell none"><p>none</p></figure>')
            continue
        changed = ""
        if run["footprint"]:
            changed = words.support(run["footprint"])
            changed = "all weights" if changed == "all" else f"{changed} weights"
        image = embedded(folder / run["change"])
        cells.append(
            f'<figure class="cell"><img class="map" src="{image}" alt="{name}: where one layer'
            f' changed"><figcaption>{mark_svg(column.look)} {name}</figcaption>'
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


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
