"""How a vision backbone is shown a picture, where a recipe wants it otherwise; no torch."""

from dataclasses import dataclass
from typing import Any, Literal

from sparse_peft.errors import SpecError

# ImageNet's, as in torchvision and timm.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class View:
    """What a recipe changes of a vision backbone's own preprocessing; none leaves it."""

    crop: Literal["middle", "whole"] | None = None
    """middle: the central square of the scaled picture; whole: all of it, squeezed into a square"""
    share: float | None = None
    """share of the scaled picture's side that the square has, such as 0.875"""
    interpolation: Literal["bicubic", "bilinear"] | None = None
    """how a picture is scaled"""
    normal: Literal["imagenet"] | None = None
    """whose mean and deviation the colours are normalised by"""

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise SpecError(f"view.share is {self.share}; use above 0 to 1.")

    def over(self, own: dict[str, Any]) -> dict[str, Any]:
        """The settings of a backbone, as timm names them, with these in their place."""
        mine: dict[str, Any] = {
            "crop_mode": {"middle": "center", "whole": "squash", None: None}[self.crop],
            "crop_pct": self.share,
            "interpolation": self.interpolation,
        }
        if self.normal == "imagenet":
            mine |= {"mean": list(MEAN), "std": list(STD)}
        return own | {name: value for name, value in mine.items() if value is not None}
