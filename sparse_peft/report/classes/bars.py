"""Bars of accuracy: their length is the value, a line across them where zero-shot CLIP stands,
and a quieter one where guessing would.

Drawn with percentages, so that one bar fits a phone and a printed page alike.
"""

from collections.abc import Sequence
from html import escape

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.charts.axes import INK, MUTED, RULE
from sparse_peft.report.charts.strokes import ends
from sparse_peft.report.classes.levels import DASH, guessing, guessing_key
from sparse_peft.report.classes.lines import Comparison, Line, lines, many, named, zero_shot
from sparse_peft.report.classes.words import BESIDE, percent, percents, row_state
from sparse_peft.report.marks import HUES, Identity, hue

STOPS = (0, 25, 50, 75, 100)  # per cent: rules of the scale
HEIGHT, SMALL = 44, 14  # pixels of a bar; of one in a table

GREY = f"var(--hue-base,{HUES['base'][0]})"


def accuracy_bars(comparison: Comparison) -> str:
    """One bar a row with its interval and a dot for each draw; zero-shot and guessing as lines."""
    back = _background(comparison)
    rows = "".join(_bar_row(line, back) for line in lines(comparison))
    stops = "".join(f'<span style="left:{stop}%">{stop}</span>' for stop in STOPS)
    kind = "bars many" if many(comparison) else "bars"
    return (
        f'<ul class="{kind}" data-ordered>{rows}</ul><div class="bars-scale" aria-hidden="true">'
        f"<div>{stops}</div><span>% of the test pictures</span></div>{_key(comparison)}"
    )


def _key(comparison: Comparison) -> str:
    """What the line, the whiskers and the dots are; nothing until there are some."""
    if zero_shot(comparison) is None:
        return ""
    alone = BESIDE[comparison["reference"]]
    dots = " <span>dot: one draw</span>" if len(comparison["seeds"]) > 1 else ""
    return (
        '<p class="key muted"><span><svg width="24" height="8" aria-hidden="true">'
        f'<line x1="0" x2="24" y1="4" y2="4" stroke="{GREY}" stroke-width="2"'
        f' stroke-dasharray="1 3"/></svg> {alone[:1].upper()}{alone[1:]}</span> '
        f"{guessing_key(comparison)} <span>whisker: where it could lie (95 %)</span>{dots}</p>"
    )


def small_bar(look: Identity, value: float, zero: float | None) -> str:
    """A bar for a table's cell, with a tick where zero-shot stands."""
    tick = "" if zero is None else _line(zero, 0, SMALL, GREY, 2)
    return (
        f'<svg class="bar" width="100%" height="{SMALL}" aria-hidden="true">'
        f'<rect width="100%" height="6" y="4" fill="{RULE}" fill-opacity=".5"/>'
        f'<rect width="{100 * value:.2f}%" height="6" y="4" fill="{hue(look)}"/>{tick}</svg>'
    )


def _background(comparison: Comparison) -> str:
    """What stands behind every bar: the rules of the scale, guessing, and the zero-shot line."""
    zero = zero_shot(comparison)
    rules = "".join(_line(stop / 100, 0, HEIGHT, RULE, 1) for stop in STOPS)
    dotted = "" if zero is None else _line(zero, 0, HEIGHT, GREY, 2, "1 3")
    return f"{rules}{_line(guessing(comparison), 0, HEIGHT, MUTED, 1, DASH)}{dotted}"


def _bar_row(line: Line, back: str) -> str:
    value = line.metric("accuracy")
    waits = row_state(line.row)
    note = f"<small>{escape(waits)}</small>" if waits else ""
    if value is None:
        said, bar = f'<span class="none">{escape(waits or "not measured")}</span>', _frame([], back)
    else:
        told = percents(value)
        said = (
            f'<span class="number">{percent(value.mean)}</span> <span class="range">{told}</span>'
        )
        said += note
        draws = [run["accuracy"] for run in line.row["runs"] if run["accuracy"] is not None]
        bar = _bar(line.look, value, draws, back)
    knob = f"<small>{escape(line.row['knob'])}</small>" if line.row["knob"] else ""
    who = f'<div class="who"><b>{named(line)}</b>{knob}</div>'
    return f'<li data-method="{escape(line.method)}">{who}{bar}<div>{said}</div></li>'


def _bar(look: Identity, value: Interval, draws: Sequence[float], back: str) -> str:
    colour, middle = hue(look), HEIGHT // 2
    low, high = ends(value)
    dots = draws if len(draws) > 1 else ()
    body = [
        f'<rect width="{100 * value.mean:.2f}%" y="8" height="{HEIGHT - 16}" fill="{colour}"'
        ' fill-opacity=".24"/>',
        _line(value.mean, 8, HEIGHT - 8, colour, 4),
        f'<line x1="{100 * low:.2f}%" x2="{100 * high:.2f}%" y1="{middle}" y2="{middle}"'
        f' stroke="{INK}" stroke-width="1.5"/>',
        *(_line(end, middle - 4, middle + 4, INK, 1.5) for end in (low, high)),
        *(
            f'<circle cx="{100 * draw:.2f}%" cy="{HEIGHT - 12}" r="2.5" fill="{colour}"/>'
            for draw in dots
        ),
    ]
    return _frame(body, back)


def _frame(body: Sequence[str], back: str) -> str:
    return (
        f'<svg class="bar" width="100%" height="{HEIGHT}" aria-hidden="true">'
        f"{''.join(body)}{back}</svg>"
    )


def _line(at: float, top: int, end: int, colour: str, width: int | float, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{100 * at:.2f}%" x2="{100 * at:.2f}%" y1="{top}" y2="{end}"'
        f' stroke="{colour}" stroke-width="{width:g}"{dashed}/>'
    )
