"""A bar for a table's cell: an interval, its mean, and a dot for each picture."""

from collections.abc import Sequence

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.charts.axes import INK, RULE, Number, Scale
from sparse_peft.report.charts.strokes import ends
from sparse_peft.report.marks import Identity, hue

WIDTH, HEIGHT, ASIDE = 220, 30, 6  # pixels; between the scale's ends and the edges
GOLDEN = 0.618034  # of the height from dot to dot: no two neighbours overlap


def dot_bar(
    look: Identity,
    average: Interval,
    dots: Sequence[Number],
    span: tuple[Number, Number],
    anchors: Sequence[Number] = (),
) -> str:
    """A bar from low to high, a tick at the mean, one dot a picture, lines at the anchors.

    Args:
        span: the values at both ends of the scale; all others are in its unit.
    """
    across = Scale(*span, ASIDE, WIDTH - ASIDE)
    middle = HEIGHT / 2
    body = [
        f'<path d="M{across(anchor):.1f} 0V{HEIGHT}" stroke="{RULE}" stroke-width="1"/>'
        for anchor in anchors
    ]
    for i, value in enumerate(dots):
        lift = (i * GOLDEN % 1.0 - 0.5) * (HEIGHT - 8)
        body.append(
            f'<circle cx="{across(value):.1f}" cy="{middle + lift:.1f}" r="2" fill="{hue(look)}"'
            ' fill-opacity=".4"/>'
        )
    low, high = ends(average)
    body.append(
        f'<path d="M{across(low):.1f} {middle}H{across(high):.1f}" stroke="{hue(look)}"'
        ' stroke-width="3"/>'
        f'<path d="M{across(average.mean):.1f} {middle - 8}v16" stroke="{INK}" stroke-width="2"/>'
    )
    return (
        f'<svg class="dots" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(body)}</svg>'
    )
