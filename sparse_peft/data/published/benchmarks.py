"""Published sets, opened where they lie: CoOp's 11, and the 24 of FGVC and VTAB-1k."""

import dataclasses
from pathlib import Path

from sparse_peft.data.findings import Finding
from sparse_peft.data.labelled import Labelled
from sparse_peft.data.published import fgvc, imagenet, split_json
from sparse_peft.data.published.fewshot_index import index_findings, published_draws
from sparse_peft.data.published.layouts import (
    LAYOUTS,
    Layout,
    about_classes,
    folder_of,
    layout_named,
)
from sparse_peft.data.published.transfer import is_transfer, open_transfer
from sparse_peft.errors import DataError

NAMES = tuple(layout.name for layout in LAYOUTS)

_SPECIAL = {"imagenet": imagenet.read, "fgvc_aircraft": fgvc.read}


def open_benchmark(name: str, root: Path) -> tuple[Labelled, tuple[Finding, ...]]:
    """A published set in place, and what there is to say about it.

    Files are listed and looked for; no picture is opened. Links are followed, since DATASETS.md
    tells people to link sets that they have elsewhere.

    Args:
        name: one of NAMES; case, - and _ do not matter, and `fgvc` is understood. Or one of
            `transfer.NAMES`, such as fgvc/cub and vtab/cifar.
        root: the folder that the folders of the sets are in, $DATA in CoOp's DATASETS.md.

    Raises:
        DataError: a file is missing, or contradicts the others.
        SpecError: a file is not JSON.
    """
    if is_transfer(name):
        return open_transfer(name, root)
    layout = layout_named(name)
    folder, findings = folder_of(layout, root)
    classes, pictures = _SPECIAL.get(layout.name, split_json.read)(layout, folder)
    for split in ("train", "test"):
        if not any(picture.split == split for picture in pictures):
            raise DataError(f"{layout.name} at {folder} has no picture of {split}.")
    labelled = Labelled(classes, pictures, layout.name, str(folder))
    if drawn := published_draws(labelled, folder):
        labelled = dataclasses.replace(labelled, drawn=drawn)
    about = about_classes(layout, len(classes))
    return labelled, (*findings, *about, *index_findings(layout, folder))


def template(name: str) -> str:
    """CoOp's prompt for a set, {} where the class goes.

    CLIP-LoRA and SO use "a photo of a {}." for every set, and so do we where CoOp has none.
    """
    return Layout.template if is_transfer(name) else layout_named(name).template
