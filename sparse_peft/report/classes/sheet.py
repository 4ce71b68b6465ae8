"""chart.png: the accuracy of every row as a bar, with its interval and the zero-shot line."""

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw

from sparse_peft.report.axes import Number
from sparse_peft.report.classes.lines import Line, lines, zero_shot
from sparse_peft.report.classes.words import percent, percents, row_state, subtitle, title
from sparse_peft.report.grid import CARD, INK, MUTED, PAGE, RULE, font, mark
from sparse_peft.report.marks import HUES

WIDTH, MARGIN, HEAD, FOOT = 1200, 32, 104, 60
ROW, BAR = 52, 30  # pixels of a row, and of the bar in it
NAMES, NUMBERS = 220, 240
PALE = 0.24  # how much of its hue a bar has
DOT, SPACE = 2, 4  # of the zero-shot line


def draw(comparison: Mapping[str, Any]) -> Image.Image:
    """The chart; a row that is not measured yet says so."""
    shown, zero = lines(comparison), zero_shot(comparison)
    height = HEAD + len(shown) * ROW + FOOT
    image = Image.new("RGB", (WIDTH, height), PAGE)
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN, MARGIN - 8), title(comparison), font=font(24, bold=True), fill=INK)
    pen.text((MARGIN, MARGIN + 26), _cut(subtitle(comparison)), font=font(15), fill=MUTED)
    _scale(pen, height)
    for number, line in enumerate(shown):
        _row(image, pen, HEAD + number * ROW, line)
    if zero is not None:
        for y in range(HEAD, height - FOOT, DOT + SPACE):
            pen.rectangle([_at(zero) - 1, y, _at(zero), y + DOT - 1], fill=HUES["base"][0])
    return image


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
    pen.text((MARGIN + 26, middle), line.label, font=font(17, bold=True), fill=INK, anchor="lm")
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


def _cut(text: str) -> str:
    face = font(15)
    while face.getlength(text) > WIDTH - 2 * MARGIN:
        text = text.removesuffix("…").rpartition(" ")[0].rstrip(",;:") + "…"
    return text
