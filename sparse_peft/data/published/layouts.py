"""The 11 published sets: what each is called, where its files lie, how CoOp prompts for it.

Source: Zhou et al. 2022, arXiv:2109.01134; KaiyangZhou/CoOp@ff61507 DATASETS.md, datasets/*.py,
    trainers/zsclip.py:13-29. The other spellings: MaxZanella/CLIP-LoRA@358f0d7 datasets/*.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft.data.findings import Finding, listed, shown
from sparse_peft.errors import DataError
from sparse_peft.tables import nearest

WHERE_FROM = "CoOp's DATASETS.md (github.com/KaiyangZhou/CoOp) tells where to get it"

MOST_SAID = 12  # folders in one sentence

_PHOTO = "a photo of a {}."


@dataclass(frozen=True)
class Layout:
    """Where the files of one published set lie."""

    name: str
    classes: int
    """How many classes the whole set has."""
    folders: tuple[str, ...]
    """What its folder is called, CoOp's spelling first; case, - and _ do not matter."""
    images: str
    """The folder of the pictures in it; empty: itself."""
    split: str
    """The file that tells the classes and the split."""
    template: str = _PHOTO
    """CoOp's prompt; {} stands for the class."""
    aliases: tuple[str, ...] = ()
    """What else people call the set."""

    @property
    def spellings(self) -> frozenset[str]:
        """All that the set or its folder is called, folded."""
        return frozenset(map(folded, (self.name, *self.folders, *self.aliases)))


LAYOUTS = (
    Layout("imagenet", 1000, ("imagenet",), "images", "classnames.txt"),
    Layout(
        "caltech101",
        100,
        ("caltech-101", "Caltech101"),
        "101_ObjectCategories",
        "split_zhou_Caltech101.json",
    ),
    Layout(
        "oxford_pets",
        37,
        ("oxford_pets", "OxfordPets"),
        "images",
        "split_zhou_OxfordPets.json",
        "a photo of a {}, a type of pet.",
    ),
    Layout(
        "stanford_cars",
        196,
        ("stanford_cars", "StanfordCars"),
        "",
        "split_zhou_StanfordCars.json",
    ),
    Layout(
        "oxford_flowers",
        102,
        ("oxford_flowers", "Flower102", "Flowers102"),
        "jpg",
        "split_zhou_OxfordFlowers.json",
        "a photo of a {}, a type of flower.",
    ),
    Layout(
        "food101",
        101,
        ("food-101", "Food101"),
        "images",
        "split_zhou_Food101.json",
        "a photo of {}, a type of food.",
    ),
    Layout(
        "fgvc_aircraft",
        100,
        ("fgvc_aircraft",),
        "images",
        "variants.txt",
        "a photo of a {}, a type of aircraft.",
        aliases=("fgvc",),
    ),
    Layout("sun397", 397, ("sun397", "SUN397"), "SUN397", "split_zhou_SUN397.json"),
    Layout(
        "dtd",
        47,
        ("dtd", "DTD"),
        "images",
        "split_zhou_DescribableTextures.json",
        "{} texture.",
        aliases=("describable_textures",),
    ),
    Layout(
        "eurosat",
        10,
        ("eurosat",),
        "2750",
        "split_zhou_EuroSAT.json",
        "a centered satellite photo of {}.",
    ),
    Layout(
        "ucf101",
        101,
        ("ucf101", "UCF101"),
        "UCF-101-midframes",
        "split_zhou_UCF101.json",
        "a photo of a person doing {}.",
    ),
)


def folded(name: str) -> str:
    """A name without what people spell in different ways: case, - and _."""
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")


def layout_named(name: str) -> Layout:
    """The layout of a set by any of its names.

    Raises:
        DataError: there is none; the message gives the nearest and all.
    """
    spellings = {spelling: layout for layout in LAYOUTS for spelling in layout.spellings}
    if folded(name) in spellings:
        return spellings[folded(name)]
    close = nearest(folded(name), spellings)
    advice = f" Did you mean {spellings[close].name!r}?" if close else ""
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise DataError(f"There is no published set {shown(name)!r}.{advice} Known: {known}.")


def folder_of(layout: Layout, root: Path) -> tuple[Path, tuple[Finding, ...]]:
    """The folder of a set below the folder of all sets; where two match, the one with its split.

    Raises:
        DataError: there is none; the message says what was looked for.
    """
    there = folders_in(root.absolute())
    matching = [folder for folder in there if folded(folder.name) in layout.spellings]
    if not matching:
        known = " or ".join(f"{name}/" for name in layout.folders)
        raise DataError(
            f"{root} has no folder of {layout.name}: {known} was looked for, and"
            f" {said_of(there)} there. Give the folder that the folders of the data sets are in."
        )
    best, *others_matching = sorted(matching, key=lambda folder: _rank(layout, folder))
    if not others_matching:
        return best, ()
    names = listed(folder.name for folder in others_matching)
    verb = "is" if len(others_matching) == 1 else "are"
    return best, (Finding(None, "info", f"{best} is used, and {names} beside it {verb} not."),)


def said_of(folders: Sequence[Path]) -> str:
    """Some folders and their verb, for a sentence: `dtd is`, `dtd, food-101 are`."""
    if not folders:
        return "no folder is"
    names = listed((shown(folder.name) for folder in folders), MOST_SAID)
    return f"{names} {'is' if len(folders) == 1 else 'are'}"


def about_classes(layout: Layout, here: int) -> tuple[Finding, ...]:
    """That a set has more or fewer classes here than it was published with."""
    if here == layout.classes:
        return ()
    text = (
        f"{layout.name} has {layout.classes} classes, and {here} are here: accuracies do not"
        " compare with published ones."
    )
    return (Finding(None, "warn", text),)


def _rank(layout: Layout, folder: Path) -> tuple[bool, bool, str]:
    return not (folder / layout.split).exists(), folder.name != layout.folders[0], folder.name


def folders_in(root: Path) -> list[Path]:
    """The folders in the one of all sets, in the order of their names.

    Raises:
        DataError: it is no folder, or cannot be opened.
    """
    try:
        entries = sorted(root.iterdir())
    except FileNotFoundError as error:
        raise DataError(f"{root} does not exist; give the folder of the data sets.") from error
    except NotADirectoryError as error:
        raise DataError(f"{root} is a file; give the folder of the data sets.") from error
    except OSError as error:
        raise DataError(f"{root} cannot be opened ({error.strerror}).") from error
    return [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
