"""The backbones that the page offers, and what is known of the chosen one without fetching it."""

from dataclasses import dataclass
from functools import cache

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import BUILTIN_TITLE, HUB_ID, Source
from sparse_peft.data.pictures import WANTED_SIDE
from sparse_peft.errors import BackboneError
from sparse_peft.ui.desk.desk import Place


@dataclass(frozen=True)
class Offer:
    """A backbone by name."""

    id: str
    title: str
    family: str
    words: str
    """its size, its licence and what it needs"""


# Downloads: the parameters of the UNet, the VAE and the text encoders, four bytes each.
OFFERS = (
    Offer("builtin", BUILTIN_TITLE, "builtin", "Comes with the studio: 40 MB, Apache-2.0, no GPU."),
    Offer(
        "stable-diffusion-v1-5/stable-diffusion-v1-5", "SD 1.5", "sd",
        "512 px. Needs a GPU and a download of about 4.3 GB. Licence: CreativeML OpenRAIL-M.",
    ),
    Offer(
        "stabilityai/stable-diffusion-xl-base-1.0", "SDXL", "sdxl",
        "1024 px. Needs a GPU and a download of about 13.9 GB. Licence: CreativeML OpenRAIL++-M.",
    ),
)  # fmt: skip
OTHER_WORDS = (
    "Any Stable Diffusion 1.5 or SDXL class backbone. Its size and licence are on its own page."
)


def offer(backbone: str) -> Offer | None:
    """What is offered under this id; None for a backbone that a person typed in."""
    return next((each for each in OFFERS if each.id == backbone), None)


def checked(name: str, place: Place) -> str:
    """The id of the backbone that a person asks for; nothing is downloaded.

    Raises:
        BackboneError: neither on offer nor a hub id nor, on one's own computer, a folder.
    """
    is_hub_id = HUB_ID.fullmatch(name) is not None
    if place != "computer":
        if name == "builtin" or is_hub_id:
            return name
        raise BackboneError(
            "Give a hub id such as owner/name. A folder can be typed in only where the studio runs"
            " on your own computer."
        )
    if is_hub_id and sources.path_of(name) is None:
        return name
    return sources.resolve(name).id


def source_at_hand(backbone: str) -> Source | None:
    """The backbone if its files are at hand: the built-in one or a folder that is still there."""
    if HUB_ID.fullmatch(backbone) and sources.path_of(backbone) is None:
        return None
    try:
        return sources.resolve(backbone)
    except BackboneError:  # the folder has gone: Start says so, a look at the page need not
        return None


def wanted_side(backbone: str, preset: str) -> int:
    """Pixels that a picture's square should have at least: what the backbone sees."""
    known = offer(backbone) or source_at_hand(backbone)
    return _resolution(preset, known.family) if known else WANTED_SIDE


@cache
def _resolution(preset: str, family: str) -> int:
    return presets.preset(preset, "dreambooth", family).shared.resolution
