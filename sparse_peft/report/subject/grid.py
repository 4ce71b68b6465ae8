"""grid.png: the base and the methods as columns, prompts as rows, labelled."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from sparse_peft.report import words
from sparse_peft.report.columns import Column, columns, samples_of
from sparse_peft.report.painting import CARD, INK, MUTED, PAGE, RULE, cut, font, mark
from sparse_peft.report.pictures import Read

MARGIN, GAP, LABELS, HEADER = 24, 6, 176, 56
LARGEST, MANY, SMALL = 192, 6, 128  # pixels of a cell; from MANY columns on the small one
ENLARGED = 3.5  # times a sample's own side, at most
NAME, LINE = 24, 20  # pixels from a column's edge to its name; from line to line
EMPTY_SIDE = 64  # a sample's side where nothing was drawn


@dataclass(frozen=True)
class Sheet:
    """The picture being drawn, and its measures."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    cell: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Upper left pixel of a cell."""
        step = self.cell + GAP
        return MARGIN + LABELS + column * step, MARGIN + HEADER + row * step


def draw(comparison: Mapping[str, Any], read: Read, seed: int | None = None) -> Image.Image:
    """The grid of one evaluation seed, the first one by default.

    Args:
        read: gives the picture at a path of the comparison.
    """
    seed = comparison["seeds"][0] if seed is None else seed
    shown = columns(comparison)
    sheet = _sheet(comparison, read, len(shown))
    for place, column in enumerate(shown):
        _header(sheet, place, column)
        paths = {
            row["prompt"]: row["path"]
            for row in samples_of(comparison, column)
            if row["seed"] == seed
        }
        for row in range(len(comparison["prompts"])):
            path = paths.get(row)
            _cell(sheet, row, place, read(path) if path else None, _absent(column, row))
    for row, prompt in enumerate(comparison["prompts"]):
        x, y = MARGIN, sheet.corner(row, 0)[1]
        _wrapped(sheet, (x, y + 2), words.shown_prompt(comparison, prompt), LABELS - 16, INK,
                 height=sheet.cell - 4)  # fmt: skip
    return sheet.image


def _sheet(comparison: Mapping[str, Any], read: Read, count: int) -> Sheet:
    drawn = comparison["base"]["samples"]
    side = EMPTY_SIDE
    if drawn:
        with Image.open(io.BytesIO(read(drawn[0]["path"]))) as picture:
            side = max(picture.size)
    cell = min(LARGEST if count < MANY else SMALL, round(side * ENLARGED))
    rows = len(comparison["prompts"])
    width = 2 * MARGIN + LABELS + count * (cell + GAP) - GAP
    height = 2 * MARGIN + HEADER + rows * (cell + GAP) - GAP
    image = Image.new("RGB", (width, height), PAGE)
    return Sheet(image, ImageDraw.Draw(image), cell)


def _header(sheet: Sheet, place: int, column: Column) -> None:
    x, _ = sheet.corner(0, place)
    picture = mark(column.look, 16)
    sheet.image.paste(picture, (x, MARGIN + 4), picture)
    name, face = x + NAME, font(17, bold=True)
    label = cut(column.label, sheet.cell - NAME, face)
    sheet.draw.text((name, MARGIN), label, font=face, fill=INK)
    run = column.shown
    under = "before any training" if run is None else run["knob"] or ""
    if run and run["over_budget"]:
        under += ", over budget"
    _wrapped(sheet, (x, MARGIN + 25), under, sheet.cell, MUTED, height=LINE)


def _absent(column: Column, row: int) -> str:
    """Why a square is empty, said once a column."""
    run = column.shown
    return (words.state(run) if run and row == 0 else None) or "not drawn"


def _cell(sheet: Sheet, row: int, place: int, content: bytes | None, absent: str) -> None:
    x, y = sheet.corner(row, place)
    if content is None:
        box = [x, y, x + sheet.cell - 1, y + sheet.cell - 1]
        sheet.draw.rectangle(box, fill=CARD, outline=RULE)
        _wrapped(sheet, (x + 8, y + 8), absent, sheet.cell - 16, MUTED, height=sheet.cell - 16)
        return
    with Image.open(io.BytesIO(content)) as picture:
        large = picture.convert("RGB").resize((sheet.cell, sheet.cell), Image.Resampling.BICUBIC)
    sheet.image.paste(large, (x, y))


def _wrapped(
    sheet: Sheet, at: tuple[int, int], text: str, width: int, colour: str, *, height: int
) -> None:
    """Text in lines inside a box of pixels; what does not fit ends in an ellipsis."""
    lines = max(1, height // LINE)
    face = font(14)
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and face.getlength(longer) > width:
            rows.append(word)
        else:
            rows[-1] = longer
    shown = [cut(row, width, face) for row in rows[:lines]]
    if len(rows) > lines:
        shown[-1] = cut(shown[-1] + "…", width, face)
    sheet.draw.multiline_text(at, "\n".join(shown), font=face, fill=colour, spacing=4)
