"""Where the names of a chart stand: around their marks or at the ends of lines, never on others."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from sparse_peft.report.charts.axes import BOTTOM, CARD, HEIGHT, INK, LEFT, RULE, TOP, WIDTH, Number
from sparse_peft.report.charts.strokes import of
from sparse_peft.report.marks import VIEW, Identity, hue, shapes

LABEL_WIDTH, LABEL_HEIGHT = 8.5, 18  # room for a letter, generous enough for the phone's size
GAP = 10  # around a mark's centre: no name there
REACHES = (14, 34, 58, 86)  # how far from its mark a name may stand
AROUND = ((1, -1), (-1, -1), (1, 1), (-1, 1))
ENDS_WIDTH = 132  # room on the right for names at the ends of lines
LEADER, MARK = 14, 12  # pixels from a line's end to its name's mark; that mark's side

Box = tuple[Number, Number, Number, Number]


class Name(NamedTuple):
    """A name and the place in pixels that it belongs to."""

    text: str
    look: Identity
    x: Number
    y: Number
    method: str = ""

    @property
    def of(self) -> str:
        """The attribute that tells a page whose part this is."""
        return of(self.method)


def around(names: Sequence[Name], taken: Sequence[Box], *, must: bool) -> list[str]:
    """Each name at the nearest place around its mark where nothing else stands.

    Args:
        taken: boxes that are to stay free.
        must: whether a name without such a place covers something; else it waits to be asked for.
    """
    full, drawn = list(taken), []
    for name in names:
        width = len(name.text) * LABEL_WIDTH
        places = [
            (name.x + across * reach - (width if across < 0 else 0),
             name.y + up * reach - LABEL_HEIGHT / 2)
            for reach in REACHES
            for across, up in AROUND
        ]  # fmt: skip
        found = next((p for p in places if _free(*p, width, full)), None)
        left, top = found or places[0] if must or found else _inside(places, width)
        drawn += _around(name, (left, top), width, crowded=found is None and not must)
        if found or must:
            full.append((left, top, left + width, top + LABEL_HEIGHT))
    return drawn


def _around(name: Name, at: tuple[Number, Number], width: Number, *, crowded: bool) -> list[str]:
    (left, top), kind = at, "name crowded" if crowded else "name"
    drawn = [
        f'<text class="{kind}"{name.of} x="{left:.1f}" y="{top + 13:.1f}" fill="{INK}">'
        f"{escape(name.text)}</text>"
    ]
    near = REACHES[0] + 1
    if not -GAP < left - name.x < near and not -GAP < name.x - left - width < near:
        end = left if left > name.x else left + width
        drawn.append(
            f'<path class="{kind}"{name.of} d="M{name.x:.1f} {name.y:.1f}'
            f'L{end:.1f} {top + LABEL_HEIGHT / 2:.1f}"'
            f' stroke="{INK}" stroke-width=".75"/>'
        )
    return drawn


def _inside(places: Sequence[tuple[Number, Number]], width: Number) -> tuple[Number, Number]:
    """The first place on the chart, whatever stands there."""
    return next((p for p in places if _free(*p, width, [])), places[0])


def _free(left: Number, top: Number, width: Number, taken: Sequence[Box]) -> bool:
    inside = left >= LEFT and left + width <= WIDTH and top >= 0 and top <= HEIGHT - BOTTOM
    return inside and all(
        left > box[2] or left + width < box[0] or top > box[3] or top + LABEL_HEIGHT < box[1]
        for box in taken
    )


def at_ends(names: Sequence[Name]) -> list[str]:
    """Names in a column right of the ends of their lines, in the lines' order from above."""
    ordered = sorted(names, key=lambda name: name.y)
    right = max((name.x for name in ordered), default=0) + LEADER
    drawn = []
    for name, y in zip(ordered, spread([name.y for name in ordered]), strict=True):
        drawn.append(
            f'<g class="end"{name.of}><path d="M{name.x + 2:.1f} {name.y:.1f}L{right - 2:.1f}'
            f' {y:.1f}" stroke="{RULE}" stroke-width="1"/>'
            f'<g transform="translate({right:.1f} {y - VIEW / 2:.1f})"'
            f' style="color:{hue(name.look)}"><circle cx="6" cy="6" r="7" fill="{CARD}"/>'
            f"{shapes(name.look)}</g>"
            f'<text class="name" x="{right + MARK + 6:.1f}" y="{y + 5:.1f}" fill="{INK}">'
            f"{escape(name.text)}</text></g>"
        )
    return drawn


def spread(heights: Sequence[Number]) -> list[Number]:
    """Rising heights moved as little as needed, so that names neither meet nor leave the chart.

    Each run of names that would touch is centred on the mean of where its names belong.
    """
    least, most = TOP, HEIGHT - BOTTOM
    apart = min(LABEL_HEIGHT, (most - least) / max(1, len(heights) - 1))
    runs: list[list[Number]] = []
    for height in heights:
        runs.append([height])
        while len(runs) > 1 and _first(runs[-1], apart) < _last(runs[-2], apart) + apart:
            runs[-2:] = [runs[-2] + runs[-1]]
    placed = [_first(run, apart) + number * apart for run in runs for number in range(len(run))]
    for number in range(len(placed)):  # down into the chart, then up into it
        floor = placed[number - 1] + apart if number else least
        placed[number] = max(placed[number], floor)
    for number in reversed(range(len(placed))):
        ceiling = placed[number + 1] - apart if number + 1 < len(placed) else most
        placed[number] = min(placed[number], ceiling)
    return placed


def _first(run: Sequence[Number], apart: Number) -> Number:
    return sum(run) / len(run) - apart * (len(run) - 1) / 2


def _last(run: Sequence[Number], apart: Number) -> Number:
    return _first(run, apart) + apart * (len(run) - 1)
