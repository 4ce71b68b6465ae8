"""What lines and marks of a chart are made of, its key and its frame."""

from collections.abc import Sequence
from html import escape

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.charts.axes import CARD, HEIGHT, WIDTH, Number, Scale
from sparse_peft.report.marks import VIEW, Identity, hue, mark_svg, shapes

Place = tuple[Number, Number]  # across and up, in the units of the scales


def of(method: str) -> str:
    """The attribute that tells a page whose part this is; "" for nobody's."""
    return f' data-method="{escape(method)}"' if method else ""


def line(
    look: Identity,
    points: Sequence[Place],
    across: Scale,
    up: Scale,
    *,
    faint: float | None = None,
    method: str = "",
) -> str:
    """A line in its hue and dash.

    Args:
        faint: opacity of a thin line without dashes: one of several that another one sums up.
    """
    way = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
    width, opacity, dash = (2, 1, look.dash) if faint is None else (1, faint, "")
    return (
        f'<polyline{of(method)} points="{way}" fill="none" stroke="{hue(look)}"'
        f' stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dash}"'
        ' stroke-linejoin="round"/>'
    )


def mark(
    look: Identity, at: Place, across: Scale, up: Scale, *, method: str = "", title: str = ""
) -> str:
    """A mark at a point, on a disc of the card's colour.

    Args:
        title: shown where a mouse rests on it.
    """
    half = VIEW / 2
    x, y = across(at[0]) - half, up(at[1]) - half
    told = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<g class="mark"{of(method)} transform="translate({x:.1f} {y:.1f})"'
        f' style="color:{hue(look)}">{told}<circle cx="{half:g}" cy="{half:g}" r="8"'
        f' fill="{CARD}"/>{shapes(look)}</g>'
    )


def key(names: Sequence[tuple[str, Identity, str]], more: Sequence[str] = ()) -> str:
    """The names above a chart: label, look and method of each; "" without any.

    Args:
        more: HTML of further entries.
    """
    entries = [
        f'<span data-trace="{escape(method)}">{mark_svg(look)} {escape(label)}</span>'
        for label, look, method in names
    ]
    return f'<p class="key">{" ".join([*entries, *more])}</p>' if entries or more else ""


def figure(description: str, body: Sequence[str], *, many: bool = False) -> str:
    """The chart, with a description for those who cannot see it."""
    return (
        f'<svg class="chart{" many" if many else ""}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(description)}">{"".join(body)}</svg>'
    )


def ends(value: Interval) -> tuple[Number, Number]:
    """How far an interval reaches; its mean twice where it has no ends."""
    low = value.mean if value.low is None else value.low
    return low, value.mean if value.high is None else value.high
