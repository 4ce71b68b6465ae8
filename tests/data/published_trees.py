"""Small made-up copies of the published sets. No file in them is a picture: none may be opened."""

import json
import pickle
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.data.published.benchmarks import open_benchmark
from sparse_peft.data.published.layouts import layout_named
from sparse_peft.errors import UserError

WNIDS = ("n01440764", "n01443537", "n02100000")
SIZES = {"train": 4, "val": 2, "test": 3}  # pictures a class

# Below the folder of the pictures: as the real split files have them.
PATHS = {
    "caltech101": "{name}/image_{number:04}.jpg",
    "oxford_pets": "{name}_{number}.jpg",
    "stanford_cars": "cars_{side}/{name}_{number:05}.jpg",
    "oxford_flowers": "image_{label}{number:04}.jpg",
    "food101": "{name}/{number}.jpg",
    "fgvc_aircraft": "{label}{number:06}.jpg",
    "sun397": "a/{name}/outdoor/sun_{number}.jpg",
    "dtd": "{name}/{name}_{number:04}.jpg",
    "eurosat": "{name}/{name}_{number}.jpg",
    "ucf101": "{name}/v_{name}_g{number:02}_c01.jpg",
}
CLASSES = ("first_thing", "second", "third thing")

Split = dict[str, list[list[Any]]]


def split_of(name: str) -> Split:
    """What a split file of the set says: path, label and class of each picture."""
    split: Split = {}
    start = 0
    for side, size in SIZES.items():
        split[side] = [
            [
                PATHS[name].format(
                    name=called.replace(" ", ""),
                    number=start + number,
                    label=label,
                    side="test" if side == "test" else "train",
                ),
                label,
                called,
            ]
            for label, called in enumerate(CLASSES)
            for number in range(size)
        ]
        start += size
    return split


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no picture")


def plant(name: str, root: Path, folder: str | None = None) -> Path:
    """A small copy of a published set below `root`, in the folder of CoOp's spelling or another."""
    layout = layout_named(name)
    home = root / (folder or layout.folders[0])
    home.mkdir(parents=True)
    if layout.name == "imagenet":
        return plant_imagenet(home)
    split = split_of(layout.name)
    for rows in split.values():
        for file, _, _ in rows:
            touch(home / layout.images / file)
    if layout.name == "fgvc_aircraft":
        write_fgvc(home, split)
    else:
        (home / layout.split).write_text(json.dumps(split))
    return home


def write_fgvc(home: Path, split: Split) -> None:
    (home / "variants.txt").write_text("".join(f"{called}\n" for called in CLASSES))
    for side, rows in split.items():
        lines = [f"{file.removesuffix('.jpg')} {called}\n" for file, _, called in rows]
        (home / f"images_variant_{side}.txt").write_text("".join(lines))


def plant_imagenet(home: Path, images: str = "images") -> Path:
    names = ("tench", "missile", "missile")  # the real list has a name twice, too
    lines = [f"{wnid} {name}\n" for wnid, name in zip(WNIDS, names, strict=True)]
    (home / "classnames.txt").write_text("".join(lines))
    for wnid in WNIDS:
        for number in range(4):
            touch(home / images / "train" / wnid / f"{wnid}_{number}.JPEG")
        for number in range(3):
            touch(home / images / "val" / wnid / f"ILSVRC2012_val_{number}_{wnid}.JPEG")
    return home


@contextmanager
def dassl() -> Iterator[type]:
    """Dassl's Datum, importable by its name while pickles are written."""
    names = ["dassl", "dassl.data", "dassl.data.datasets", "dassl.data.datasets.base_dataset"]

    class Datum:
        def __init__(self, impath: str, label: int, domain: int = 0, classname: str = "") -> None:
            self._impath = impath
            self._label = label
            self._domain = domain
            self._classname = classname

    Datum.__module__, Datum.__qualname__ = names[-1], "Datum"
    sys.modules.update({name: types.ModuleType(name) for name in names})
    vars(sys.modules[names[-1]])["Datum"] = Datum
    try:
        yield Datum
    finally:
        for name in names:
            del sys.modules[name]


def coop_pickle(rows: list[list[Any]], images: str, protocol: int = 4) -> bytes:
    """What CoOp writes for some rows of a split, from the disk of its author."""
    with dassl() as datum:
        items = [
            datum(f"/home/someone/{images}/{file}", label, classname=called)
            for file, label, called in rows
        ]
        return pickle.dumps({"train": items, "val": items[:1]}, protocol)


def shots_of(split: Split, shots: int, skip: int = 0) -> list[list[Any]]:
    """The first shots of each class of train, after `skip` of them."""
    return [
        row
        for label in range(len(CLASSES))
        for row in [row for row in split["train"] if row[1] == label][skip : skip + shots]
    ]


def refusal(name: str, root: Path) -> str:
    """The sentence of the refusal: short, on one line."""
    with pytest.raises(UserError) as caught:
        open_benchmark(name, root)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text.replace(str(root), "ROOT")) < 300, text
    return text


def rewrite(home: Path, change: object) -> None:
    """Change the split of EuroSAT: `change` is called with it, or is its new text."""
    path = home / "split_zhou_EuroSAT.json"
    if isinstance(change, str):
        path.write_text(change)
        return
    split = json.loads(path.read_text())
    assert callable(change)
    change(split)
    path.write_text(json.dumps(split))
