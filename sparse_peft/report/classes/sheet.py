"""chart.png: the accuracy of every row as a bar, with its interval; zero-shot and guessing."""

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw

from sparse_peft.report.charts.axes import Number
from sparse_peft.report.classes.levels import guessing, guessing_words
from sparse_peft.report.classes.lines import Line, lines, zero_shot
from sparse_peft.report.classes.words import BESIDE, percent, percents, row_state, subtitle, title
from sparse_peft.report.marks import HUES
from sparse_peft.report.painting import CARD, INK, MUTED, PAGE, RULE, cut, font, mark

WIDTH, MARGIN, HEAD, FOOT = 1200, 32, 104, 60
ROW, BAR = 52, 30  # pixels of a row, and of the bar in it
NAMES, NUMBERS = 220, 240
PALE = 0.24  # how much of its hue a bar has
ZERO, GUESSING = (2, 2, 4), (1, 6, 4)  # pixels of these lines: width, dash, space


def draw(comparison: Mapping[str, Any]) -> Image.Image:
    """The chart; a row that is not measured yet says so."""
    shown, zero = lines(comparison), zero_shot(comparison)
    height = HEAD + len(shown) * ROW + FOOT
    image = Image.new("RGB", (WIDTH, height), PAGE)
    pen = ImageDraw.Draw(image)
    room, bold = WIDTH - 2 * MARGIN, font(24, bold=True)
    pen.text((MARGIN, MARGIN - 8), cut(title(comparison), room, bold), font=bold, fill=INK)
    told = cut(subtitle(comparison), room, font(15))
    pen.text((MARGIN, MARGIN + 26), told, font=font(15), fill=MUTED)
    _scale(pen, height)
    for number, line in enumerate(shown):
        _row(image, pen, HEAD + number * ROW, line)
    foot = height - FOOT
    _dashed(pen, (_at(guessing(comparison)), HEAD), foot - HEAD, *GUESSING)
    _named(pen, foot + 6, guessing_words(comparison), *GUESSING)
    if zero is not None:
        _dashed(pen, (_at(zero), HEAD), foot - HEAD, *ZERO)
        _named(pen, foot + 28, BESIDE[comparison["reference"]], *ZERO)
    return image


def _dashed(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], length: int, wide: int, dash: int, space: int
) -> None:
    """A line downwards."""
    x, top = at
    for y in range(top, top + length, dash + space):
        box = [x - wide // 2, y, x - wide // 2 + wide - 1, min(y + dash, top + length) - 1]
        pen.rectangle(box, fill=HUES["base"][0])


def _named(pen: ImageDraw.ImageDraw, top: int, name: str, wide: int, dash: int, space: int) -> None:
    """What a line is, beside a piece of it."""
    x = _at(1) + 34
    _dashed(pen, (x, top), 16, wide, dash, space)
    pen.text((x + 12, top), name, font=font(14), fill=MUTED)


def _at(value: Number) -> int:
    """Where an accuracy stands."""
    return round(MARGIN + NAMES + value * (WIDTH - 2 * MARGIN - NAMES - NUMBERS))


def _scale(pen: ImageDraw.ImageDraw, height: int) -> None:
    pen.rectangle([_at(0), HEAD, _at(1), height - FOOT], fill=CARD)
    for stop in range(0, 101, 25):
        x = _at(stop / 100)
        pen.line([x, HEAD, x, height - FOOT], fill=RULE)
        pen.text((x, height - FOOT + 6), str(stop), font=font(14), fill=MUTED, anchor="ma")
    words = "% of the test pictures recognised"
    pen.text((_at(0.5), height - FOOT + 28), words, font=font(15), fill=INK, anchor="ma")


def _row(image: Image.Image, pen: ImageDraw.ImageDraw, top: int, line: Line) -> None:
    middle = top + ROW // 2
    picture = mark(line.look, 16)
    image.paste(picture, (MARGIN, middle - 8), picture)
    face = font(17, bold=True)
    label = cut(line.label, NAMES - 34, face)
    pen.text((MARGIN + 26, middle), label, font=face, fill=INK, anchor="lm")
    value = line.metric("accuracy")
    if value is None:
        words = row_state(line.row) or "not measured"
        pen.text((_at(1) + 16, middle), words, font=font(15), fill=MUTED, anchor="lm")
        return
    colour, half = line.look.light, BAR // 2
    pen.rectangle([_at(0), middle - half, _at(value.mean), middle + half], fill=_pale(colour))
    pen.rectangle([_at(value.mean) - 3, middle - half, _at(value.mean), middle + half], fill=colour)
    if value.low is not None and value.high is not None:
        low, high = _at(value.low), _at(value.high)
        pen.line([low, middle, high, middle], fill=INK, width=2)
        for end in (low, high):
            pen.line([end, middle - 5, end, middle + 5], fill=INK, width=2)
    said = percent(value.mean)
    pen.text((_at(1) + 16, middle), said, font=font(19, bold=True), fill=INK, anchor="lm")
    after = _at(1) + 24 + font(19, bold=True).getlength(said)
    pen.text((after, middle), percents(value), font=font(14), fill=MUTED, anchor="lm")


def _pale(colour: str) -> tuple[int, int, int]:
    """The colour thinned on a card."""
    ink, card = (tuple(bytes.fromhex(c.removeprefix("#"))) for c in (colour, CARD))
    red, green, blue = (round(PALE * a + (1 - PALE) * b) for a, b in zip(ink, card, strict=True))
    return red, green, blue
