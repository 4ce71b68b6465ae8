"""The CLIPs that the page offers, and what is known of a chosen backbone without fetching it."""

from sparse_peft.backbones import source as sources
from sparse_peft.backbones.clip.names import HUB, OPENAI
from sparse_peft.backbones.source import BUILTIN_TITLE, HUB_ID, path_of
from sparse_peft.backbones.vision.names import is_vision
from sparse_peft.data.classes.folders import WANTED_SIDE
from sparse_peft.errors import BackboneError
from sparse_peft.ui.desk.desk import Place
from sparse_peft.ui.desk.offers import Offer

# Downloads: the parameters of both encoders, four bytes each.
OFFERS = (
    Offer("builtin", BUILTIN_TITLE, "builtin", "Comes with the studio: 9 MB, Apache-2.0, no GPU."),
    Offer(
        "ViT-B-16/openai", "CLIP ViT-B/16 (OpenAI)", "clip",
        "224 px. The backbone of both papers. Best on a GPU; a download of about 600 MB."
        " Licence: MIT.",
    ),
    Offer(
        "ViT-B-32/openai", "CLIP ViT-B/32 (OpenAI)", "clip",
        "224 px. A third of the work of B/16. Best on a GPU; a download of about 610 MB."
        " Licence: MIT.",
    ),
    Offer(
        "ViT-L-14/openai", "CLIP ViT-L/14 (OpenAI)", "clip",
        "224 px. The strongest of these. Needs a GPU and a download of about 1.7 GB."
        " Licence: MIT.",
    ),
    Offer(
        "RN50/openai", "CLIP RN50 (OpenAI)", "clip",
        "224 px. A convolutional network: CLIP-LoRA's layers are not in it. Best on a GPU; a"
        " download of about 410 MB. Licence: MIT.",
    ),
)  # fmt: skip
OTHER_WORDS = (
    "Any CLIP that open_clip knows, or a ViT, Swin or ConvNeXt of timm such as"
    " timm:vit_base_patch16_224. Its size and licence are on its own page."
)
BUILTIN_NOTE = (
    "The built-in CLIP is small and has seen emoji-like scenes, not photographs. On photographs it"
    " starts with little, and learns colours and rough shapes. It shows in a minute how methods"
    " differ. For photographs choose ViT-B/16."
)
ON_A_SERVER = (
    "Give a name of open_clip such as ViT-B-16/openai, hf-hub:owner/name, or a name of timm such as"
    " timm:vit_base_patch16_224. A folder or a file can be typed in only where the studio runs on"
    " your own computer."
)


def offer(backbone: str) -> Offer | None:
    """What is offered under this id; None for a backbone that a person typed in."""
    return next((each for each in OFFERS if each.id == backbone), None)


def checked(name: str, place: Place) -> str:
    """The id of the backbone that a person asks for; nothing is downloaded.

    Raises:
        BackboneError: neither on offer nor a name of open_clip or timm nor, on one's own computer,
            a folder or a checkpoint.
    """
    if name.startswith(HUB) and HUB_ID.fullmatch(name.removeprefix(HUB)):
        return name
    if name in OPENAI:
        return f"{OPENAI[name]}/openai"
    here = "@" in name or name.startswith(("/", ".", "~")) or path_of(name) is not None
    if here and name != "builtin" and place != "computer":
        raise BackboneError(ON_A_SERVER)
    source = sources.found(name, "fewshot")
    return name if source is None else source.id


def family_of(backbone: str) -> str:
    """The family whose presets are for it."""
    if is_vision(backbone):
        return "vision"
    return "builtin" if backbone == "builtin" else "clip"


def reads_words(backbone: str) -> bool:
    """Whether it knows classes by their names: a CLIP does, a vision backbone needs a head."""
    return not is_vision(backbone)


def wanted_side(backbone: str) -> int:
    """Pixels that a picture's shorter side should have at least: what the backbone sees."""
    try:
        return sources.side(backbone) or WANTED_SIDE
    except BackboneError:  # it has gone since it was chosen, which its own row says
        return WANTED_SIDE
