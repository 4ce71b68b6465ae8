"""How a method looks: hue from its family, mark and dash from its place in that family."""

from collections.abc import Iterable, Sequence
from math import cos, pi, sin
from typing import NamedTuple

VIEW = 12.0  # marks are drawn in a square of 12 units
CENTRE = VIEW / 2


class Circle(NamedTuple):
    """A disc, or a ring where it is not filled."""

    x: float
    y: float
    radius: float
    filled: bool


class Polygon(NamedTuple):
    """A closed outline."""

    points: tuple[tuple[float, float], ...]
    filled: bool


Part = Circle | Polygon


class Identity(NamedTuple):
    """Colours on light and on dark, a mark's name, and an SVG dash ("" is a solid line)."""

    family: str
    light: str
    dark: str
    mark: str
    dash: str


HUES = {
    "base": ("#5F5C57", "#A5A29C"),
    "lora": ("#2B5ABB", "#5C86F2"),
    "waveft": ("#AE3F21", "#E4602C"),
    "so": ("#0C826A", "#60C589"),
    "snell": ("#721F68", "#EA89B8"),
    "shira": ("#B38003", "#F7D92E"),
    "full": ("#1C1B1A", "#F2F0EC"),
}
MEMBERS = {
    "base": ("ring", "1 3"),
    "lora": ("disc", ""),
    "adalora": ("half disc", "8 4"),
    "vera": ("quarter disc", "2 3"),
    "loha": ("ring with dot", "10 3 2 3"),
    "lokr": ("ring with cross", "5 3"),
    "waveft": ("square", "8 4"),
    "fourierft": ("hollow square", "2 3"),
    "so": ("triangle", "2 3"),
    "snell": ("diamond", "10 3 2 3"),
    "oft": ("hollow diamond", "8 4"),
    "shira": ("plus", "5 3"),
    "sparse_weight": ("hollow plus", "2 3"),
    "full": ("star", "1 2"),
    "head": ("hollow star", "8 4"),
}
SAME = {
    "zeroshot": "base",
    "linear_probe": "head",
}  # rows of a few-shot comparison that train nothing
# For methods that the table does not name: told apart within a family, whose hue they share.
SPARE = (
    "half disc", "quarter disc", "ring with dot", "ring with cross", "hollow square",
    "hollow diamond", "hollow plus", "hollow star",
)  # fmt: skip
SPARE_DASHES = ("8 4", "2 3", "10 3 2 3", "5 3", "12 2", "1 4", "6 2 1 2", "14 4 2 4")


def identities(methods: Iterable[tuple[str, str]]) -> dict[str, Identity]:
    """The look of each (method, family).

    One outside the table takes a spare mark that no other one of its family has here; only when all
    are taken do two look alike.

    Raises:
        ValueError: a family without a hue.
    """
    every = dict(methods)
    taken: dict[str, list[tuple[str, str]]] = {family: [] for family in every.values()}
    for name, family in every.items():
        if family not in HUES:
            raise ValueError(f"family {family!r} has no hue; known: {', '.join(HUES)}")
        if member := MEMBERS.get(SAME.get(name, name)):
            taken[family].append(member)
    found: dict[str, Identity] = {}
    for name, family in every.items():
        member = MEMBERS.get(SAME.get(name, name))
        if member is None:
            member = _spare(taken[family])
            taken[family].append(member)
        found[name] = Identity(family, *HUES[family], *member)
    return found


def _spare(taken: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The spare mark and dash that fewest others of a family have."""
    marks, dashes = [mark for mark, _ in taken], [dash for _, dash in taken]
    return min(SPARE, key=marks.count), min(SPARE_DASHES, key=dashes.count)


def parts(mark: str) -> tuple[Part, ...]:
    """The shapes of a mark, the same for SVG and for pictures."""
    if mark.startswith("hollow "):
        return tuple(part._replace(filled=False) for part in parts(mark.removeprefix("hollow ")))
    return _PARTS[mark]


def hue(look: Identity) -> str:
    """The CSS colour of a family."""
    return f"var(--hue-{look.family},{look.light})"


def hue_variables(dark: bool) -> str:
    """CSS declarations of every family's colour."""
    return "".join(f"--hue-{name}:{pair[dark]};" for name, pair in HUES.items())


def mark_svg(look: Identity, size: int = 12) -> str:
    """A mark as inline SVG, hidden from screen readers: its name always stands beside it."""
    return (
        f'<svg class="mark" width="{size}" height="{size}" viewBox="0 0 {VIEW:g} {VIEW:g}"'
        f' aria-hidden="true" style="color:{hue(look)}">{shapes(look)}</svg>'
    )


def shapes(look: Identity) -> str:
    """A mark's SVG elements in its 12 units, in the current colour."""
    return "".join(_shape(part) for part in parts(look.mark))


def _shape(part: Part) -> str:
    paint = (
        'fill="currentColor"'
        if part.filled
        else 'fill="none" stroke="currentColor" stroke-width="1.6"'
    )
    if isinstance(part, Circle):
        return f'<circle cx="{part.x:g}" cy="{part.y:g}" r="{part.radius:g}" {paint}/>'
    points = " ".join(f"{x:.4g},{y:.4g}" for x, y in part.points)
    return f'<polygon points="{points}" {paint}/>'


def _round(radius: float, start: float, end: float, steps: int = 24) -> list[tuple[float, float]]:
    angles = (start + (end - start) * step / steps for step in range(steps + 1))
    return [(CENTRE + radius * cos(a), CENTRE + radius * sin(a)) for a in angles]


def _star() -> tuple[tuple[float, float], ...]:
    radii = (5.8, 2.5)
    return tuple(
        (CENTRE + radii[i % 2] * sin(i * pi / 5), CENTRE + 0.3 - radii[i % 2] * cos(i * pi / 5))
        for i in range(10)
    )


_PLUS = (4.2, 0.8), (7.8, 0.8), (7.8, 4.2), (11.2, 4.2), (11.2, 7.8), (7.8, 7.8)
_PARTS: dict[str, tuple[Part, ...]] = {
    "ring": (Circle(CENTRE, CENTRE, 4.4, False),),
    "disc": (Circle(CENTRE, CENTRE, 5.0, True),),
    "half disc": (
        Circle(CENTRE, CENTRE, 4.4, False),
        Polygon(tuple(_round(4.4, pi / 2, 3 * pi / 2)), True),
    ),
    "quarter disc": (
        Circle(CENTRE, CENTRE, 4.4, False),
        Polygon(((CENTRE, CENTRE), *_round(4.4, -pi / 2, 0.0)), True),
    ),
    "ring with dot": (Circle(CENTRE, CENTRE, 4.4, False), Circle(CENTRE, CENTRE, 1.8, True)),
    "ring with cross": (
        Circle(CENTRE, CENTRE, 4.4, False),
        Polygon(((CENTRE, 1.6), (CENTRE, 10.4)), False),
        Polygon(((1.6, CENTRE), (10.4, CENTRE)), False),
    ),
    "square": (Polygon(((1.6, 1.6), (10.4, 1.6), (10.4, 10.4), (1.6, 10.4)), True),),
    "triangle": (Polygon(((6.0, 0.9), (11.4, 10.4), (0.6, 10.4)), True),),
    "diamond": (Polygon(((6.0, 0.4), (11.6, 6.0), (6.0, 11.6), (0.4, 6.0)), True),),
    "plus": (Polygon((*_PLUS, *((VIEW - x, VIEW - y) for x, y in _PLUS)), True),),
    "star": (Polygon(_star(), True),),
}
