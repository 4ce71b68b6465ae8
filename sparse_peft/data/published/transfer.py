"""FGVC and VTAB-1k, 24 sets that vision backbones are compared on: names, folders, which splits.

Source: ssfgunner/SNELL@e9d5185 README.md, lib/datasets.py:16-42, 124-156, 296-352; FGVC's folders
    are also called as in KMnP/vpt, whose split files these are.
"""

from pathlib import Path

from sparse_peft.data.findings import Finding, shown
from sparse_peft.data.labelled import Labelled
from sparse_peft.data.published import fgvc_json, vtab_lists
from sparse_peft.data.published.layouts import Layout, about_classes, folded, folders_in, said_of
from sparse_peft.errors import DataError
from sparse_peft.tables import nearest

FGVC, VTAB = "fgvc/", "vtab/"
GROUPS = {FGVC: ("fgvc",), VTAB: ("vtab1k", "vtab")}  # folders that the sets may lie in, folded

_BIRDS, _DOGS = "images", "Images"
_FGVC = (
    Layout("fgvc/cub", 200, ("cub", "CUB_200_2011"), _BIRDS, fgvc_json.FIRST),
    Layout("fgvc/nabirds", 555, ("nabirds",), _BIRDS, fgvc_json.FIRST),
    Layout("fgvc/oxfordflower", 102, ("oxfordflower", "OxfordFlowers"), "", fgvc_json.FIRST),
    Layout("fgvc/stanforddog", 120, ("stanforddog", "Stanford-dogs"), _DOGS, fgvc_json.FIRST),
    Layout("fgvc/stanfordcar", 196, ("stanfordcar", "Stanford-cars"), "", fgvc_json.FIRST),
)
_VTAB = {
    "cifar": 100, "caltech101": 102, "dtd": 47, "oxford_flowers102": 102, "svhn": 10,
    "sun397": 397, "oxford_iiit_pet": 37, "patch_camelyon": 2, "eurosat": 10, "resisc45": 45,
    "diabetic_retinopathy": 5, "clevr_count": 8, "clevr_dist": 6, "dmlab": 6, "kitti": 4,
    "dsprites_loc": 16, "dsprites_ori": 16, "smallnorb_azi": 18, "smallnorb_ele": 9,
}  # fmt: skip
LAYOUTS = _FGVC + tuple(
    Layout(f"{VTAB}{name}", classes, (name,), "", vtab_lists.FIRST)
    for name, classes in _VTAB.items()
)
NAMES = tuple(layout.name for layout in LAYOUTS)


def is_transfer(name: str) -> bool:
    """Whether a name is one of these sets."""
    return name.startswith((FGVC, VTAB))


def joins_val(title: str) -> bool:
    """Whether a set's published training takes the validation pictures in: VTAB's 800 and 200."""
    return title.startswith(VTAB)


def open_transfer(name: str, root: Path) -> tuple[Labelled, tuple[Finding, ...]]:
    """One of NAMES in place, and what there is to say about it; no picture is opened.

    Args:
        root: the folder that the sets' folders are in, or that `fgvc` or `vtab-1k` are in.

    Raises:
        DataError: a file is missing, or contradicts the others.
        SpecError: a file is not JSON.
    """
    layout = _named(name)
    folder = _folder(layout, root.absolute())
    reader = fgvc_json if layout.name.startswith(FGVC) else vtab_lists
    classes, pictures = reader.read(layout, folder)
    labelled = Labelled(classes, pictures, layout.name, str(folder))
    return labelled, (*about_classes(layout, len(classes)), *_about_names(layout, classes))


def _named(name: str) -> Layout:
    known = {layout.name: layout for layout in LAYOUTS}
    if name in known:
        return known[name]
    close = nearest(name[:60], known)
    advice = f" Did you mean {close!r}?" if close else ""
    raise DataError(f"There is no set {shown(name)!r}.{advice} Known: {', '.join(known)}.")


def _folder(layout: Layout, root: Path) -> Path:
    """The folder of the set, below `root` or below a group's folder there."""
    there = folders_in(root)
    names = next(names for prefix, names in GROUPS.items() if layout.name.startswith(prefix))
    inside = [f for group in there if folded(group.name) in names for f in folders_in(group)]
    found = [f for f in (*there, *inside) if folded(f.name) in layout.spellings]
    whole = [folder for folder in found if (folder / layout.split).is_file()]
    if whole:
        return whole[0]
    if found:
        raise DataError(
            f"{found[0] / layout.split} is missing: {layout.name} is told by its split files. "
            "SNELL's README (github.com/ssfgunner/SNELL) tells where to get them."
        )
    known = " or ".join(f"{name}/" for name in layout.folders)
    raise DataError(
        f"{root} has no folder of {layout.name}: {known} was looked for, there and below "
        f"{' or '.join(names)}, and {said_of(there)} there."
    )


def _about_names(layout: Layout, classes: tuple[str, ...]) -> tuple[Finding, ...]:
    if classes[0] != vtab_lists.number_name(0):
        return ()
    text = f"The files of {layout.name} number its classes and do not name them."
    return (Finding(None, "info", text),)
