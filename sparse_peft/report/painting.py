"""What pictures of a comparison are painted with: colours, letters and marks."""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from sparse_peft.report.marks import VIEW, Circle, Identity, parts

FONTS = Path(__file__).parent / "fonts"
PAGE, CARD, INK, MUTED, RULE = "#F6F5F2", "#FFFFFF", "#1C1B1A", "#5C5954", "#DDDAD4"
FINE = 4  # marks are drawn this many times larger, then averaged down


def mark(look: Identity, side: int) -> Image.Image:
    """A method's mark in its light colour, on nothing."""
    unit = side * FINE / VIEW
    image = Image.new("RGBA", (side * FINE, side * FINE))
    pen = ImageDraw.Draw(image)
    width = round(1.6 * unit)
    for part in parts(look.mark):
        if isinstance(part, Circle):
            paint: dict[str, Any] = (
                {"fill": look.light} if part.filled else {"outline": look.light, "width": width}
            )
            reach = part.radius + (0 if part.filled else 0.8)
            box = [(part.x - reach) * unit, (part.y - reach) * unit]
            pen.ellipse([*box, box[0] + 2 * reach * unit, box[1] + 2 * reach * unit], **paint)
            continue
        points = [(x * unit, y * unit) for x, y in part.points]
        if part.filled:
            pen.polygon(points, fill=look.light)
        else:  # a polygon's own outline lies inside it: nothing of one with two corners
            pen.line([*points, points[0]], fill=look.light, width=width, joint="curve")
    return image.resize((side, side), Image.Resampling.BOX)


def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """IBM Plex Sans."""
    return ImageFont.truetype(FONTS / f"IBMPlexSans-{'Bold' if bold else 'Regular'}.woff2", size)


def cut(text: str, width: int, face: ImageFont.FreeTypeFont) -> str:
    """The text, or as much of it as `width` pixels hold, with an ellipsis."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
