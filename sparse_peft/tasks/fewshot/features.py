"""Features of pictures and prompts, computed anew only where a tower is being tuned."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sparse_peft.backbones.clip.model import Clip
from sparse_peft.backbones.vision.model import Vision
from sparse_peft.tasks.fewshot.pictures import Pictures, joined, scaled
from sparse_peft.tasks.fewshot.recipe import Classes

MOST_SCALE = 100.0  # what CLIP itself is kept below (Radford et al. 2021, section 2.5)
BATCH = 64  # pictures at a time without gradients

Model = Clip | Vision


class Features:
    """Both sides of a CLIP, of which some are frozen, or the one side of a vision backbone.

    Args:
        frozen: what `prepare` computed: "places" and "pictures", of a CLIP "texts" and "new_texts".
        tuned: names of the components that a method changes.
    """

    def __init__(
        self,
        clip: Model,
        pictures: Pictures,
        shared: Classes,
        frozen: Mapping[str, Tensor],
        tuned: Collection[str],
    ) -> None:
        self._clip, self._pictures = clip, pictures
        self.picture_tower_is_frozen = "visual" not in tuned
        self._texts_are_frozen = "text" not in tuned
        self._rows = {int(place): row for row, place in enumerate(frozen["places"])}
        self._frozen = {"pictures": frozen["pictures"]}
        if isinstance(clip, Vision):
            return
        self._frozen |= {name: frozen[name].to(clip.device) for name in prompted(shared)}
        if not self._texts_are_frozen:
            self._tokens = {n: clip.tokens(prompts) for n, prompts in prompted(shared).items()}

    def texts(self, *, new: bool = False) -> Float[Tensor, "K D"]:
        """One feature a class, with gradients where the prompts' tower is tuned."""
        name = "new_texts" if new else "texts"
        if self._texts_are_frozen:
            return self._frozen[name]
        assert isinstance(self._clip, Clip)
        return self._clip.texts(self._tokens[name])

    def seen(self, pixels: UInt8[Tensor, "B 3 s s"]) -> Float[Tensor, "B D"]:
        """Of pictures as they are given, with gradients where the pictures' tower is tuned."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.picture_tower_is_frozen):
            return self._clip.pictures(scaled(pixels, self._clip.device))

    @torch.no_grad()
    def at(self, places: Sequence[int]) -> Float[Tensor, "M D"]:
        """Of the set's pictures as the backbone sees them, without gradients."""
        if self.picture_tower_is_frozen:
            rows = [self._rows[place] for place in places]
            return self._frozen["pictures"][rows].to(self._clip.device)
        return torch.cat(list(batches(self._pictures, places, self.seen)))


def batches(
    pictures: Pictures,
    places: Sequence[int],
    seen: Callable[[UInt8[Tensor, "B 3 s s"]], Float[Tensor, "B D"]],
) -> Iterator[Float[Tensor, "B D"]]:
    """Features of some pictures after the other; the next are decoded meanwhile."""
    parts = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
    ahead = pictures.begun(parts[0])
    for following in [*parts[1:], ()]:
        squares, ahead = ahead, pictures.begun(following)
        yield seen(joined(squares))


def prompted(shared: Classes) -> dict[str, tuple[str, ...]]:
    """The prompts of each group of classes that there is, by the name of their features."""
    named = {"texts": shared.prompts(), "new_texts": shared.prompts(new=True)}
    return {name: prompts for name, prompts in named.items() if prompts}


def scale_of(backbone_scale: float, shared: Classes) -> float:
    """What cosines are multiplied by."""
    return min(backbone_scale, MOST_SCALE) if shared.scale is None else shared.scale
