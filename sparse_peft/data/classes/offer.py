"""What a person offers as classes, before a picture is opened: files sorted into named classes."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sparse_peft.data.findings import Finding, listed, shown
from sparse_peft.data.labelled import Split
from sparse_peft.errors import DataError

MOST_PICTURES = 20_000
MOST_CLASSES = 1_000
LONGEST_CLASS = 80  # characters; a prompt has room for 77 tokens
MOST_NAMED = 5  # in one sentence


@dataclass(frozen=True)
class Entry:
    """One file that may be a picture."""

    folder: str
    """Its class, as the person wrote it."""
    split: Split
    name: str
    """What the person calls it, such as `red_apple/01.jpg`."""
    read: Callable[[], bytes]
    """Its content; raises UnreadableError."""


@dataclass(frozen=True)
class Offer:
    """Files and the classes they are in; a class may have none."""

    where: str
    """What the person gave, for sentences."""
    folders: dict[Split, tuple[str, ...]]
    """The classes of each split, as the person wrote them; the first split is trained on."""
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...] = ()


def class_name(written: str) -> str:
    """A folder's name as a prompt says it: `_` and `-` are spaces, numbers stay."""
    spaced = written.replace("_", " ").replace("-", " ")
    return unicodedata.normalize("NFC", " ".join(spaced.split()))


def named_classes(offer: Offer) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes' names, and the label of each folder.

    Raises:
        DataError: too few or too many classes or pictures, a class without pictures, two of the
            same name, or splits that do not have the same classes.
    """
    _check_counts(offer)
    first, *others = offer.folders
    known = _by_key(offer.folders[first], offer.where)
    if len(known) == 1:
        raise DataError(
            f"There is one class only in {offer.where} ({shown(offer.folders[first][0])}); at least"
            " two are needed to tell apart."
        )
    _check_empty(offer, first)
    labels = {folder: label for label, folder in enumerate(known.values())}
    for split in others:
        found = _by_key(offer.folders[split], offer.where)
        _check_same_classes(offer, known, found, split)
        labels |= {folder: labels[known[key]] for key, folder in found.items()}
    return tuple(class_name(folder) for folder in known.values()), labels


def _check_counts(offer: Offer) -> None:
    classes = len(next(iter(offer.folders.values())))
    counts = (
        (classes, "classes", MOST_CLASSES),
        (len(offer.entries), "files", MOST_PICTURES),
    )
    for count, noun, most in counts:
        if count > most:
            raise DataError(
                f"There are {count:,} {noun} in {offer.where}, at most {most:,} are allowed; take"
                " fewer."
            )


def _by_key(folders: Sequence[str], where: str) -> dict[str, str]:
    """Folders by what tells classes apart: their names without case."""
    known: dict[str, str] = {}
    for folder in folders:
        name = class_name(folder)
        if not name or not name.isprintable() or len(name) > LONGEST_CLASS:
            raise DataError(
                f"The class {shown(folder)!r} in {where} cannot be named so: a class's name has 1"
                f" to {LONGEST_CLASS} characters that can be printed. Rename it."
            )
        twin = known.setdefault(name.casefold(), folder)
        if twin != folder:
            raise DataError(
                f"There are two classes of the same name in {where}: {shown(twin)!r} and"
                f" {shown(folder)!r} are both {name!r}. Rename or join them."
            )
    return known


def _check_empty(offer: Offer, split: Split) -> None:
    filled = {entry.folder for entry in offer.entries if entry.split == split}
    empty = [shown(folder) for folder in offer.folders[split] if folder not in filled]
    if empty:
        noun = "A class has" if len(empty) == 1 else f"{len(empty)} classes have"
        raise DataError(
            f"{noun} no picture in {offer.where} ({listed(empty, MOST_NAMED)}). Put pictures in, or"
            " remove the folder."
        )


def _check_same_classes(
    offer: Offer, known: dict[str, str], found: dict[str, str], split: Split
) -> None:
    what = {"test": "test", "val": "validation"}.get(split, split)
    strange = [shown(folder) for key, folder in found.items() if key not in known]
    if strange:
        raise DataError(
            f"The {what} pictures have {_classes(strange)} that the training pictures lack"
            f" ({listed(strange, MOST_NAMED)}). Use the same names in both."
        )
    filled = Counter(entry.folder for entry in offer.entries if entry.split == split)
    lacking = [shown(folder) for key, folder in known.items() if not filled[found.get(key, "")]]
    if split == "test" and lacking:
        raise DataError(
            f"The training pictures have {_classes(lacking)} that the test pictures lack"
            f" ({listed(lacking, MOST_NAMED)}). Use the same names in both."
        )


def _classes(names: Iterable[str]) -> str:
    count = len(list(names))
    return "a class" if count == 1 else f"{count} classes"
