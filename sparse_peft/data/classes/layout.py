"""How class folders lie in a tree: directly, or in folders for training, validation and test."""

from collections.abc import Iterable
from dataclasses import dataclass

from sparse_peft.data.classes.offer import MOST_NAMED, Entry, Offer
from sparse_peft.data.classes.tree import Tree
from sparse_peft.data.findings import Finding, listed, shown
from sparse_peft.data.labelled import SPLITS, Split
from sparse_peft.errors import DataError

SPLIT_WORDS: dict[str, Split] = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val",
}  # fmt: skip


def offer_of(tree: Tree, test: Tree | None = None) -> Offer:
    """The class folders of a tree, and the files in them.

    Args:
        test: class folders for the test, given apart.

    Raises:
        DataError: there are no class folders where they are looked for.
    """
    splits = {name: SPLIT_WORDS[name.lower()] for name in tree.folders if _is_split(tree, name)}
    findings = [*tree.findings, *(test.findings if test is not None else ())]
    if splits:
        _check_splits(tree, list(splits.values()), test)
        findings += _beside(tree, (tree.folders.keys() - splits) | tree.files.keys())
        parts = [_Part(split, tree.folders[name], f"{name}/") for name, split in splits.items()]
    else:
        parts = [_Part("pool" if test is None else "train", tree, "")]
    if test is not None:
        parts.append(_Part("test", test, "test/"))
    parts.sort(key=lambda part: SPLITS.index(part.split))
    for part in parts:
        _check_classes(part.tree)
        findings += [*_beside(part.tree, part.tree.files), *_deeper(part.tree)]
    return Offer(
        where=tree.where,
        folders={part.split: tuple(part.tree.folders) for part in parts},
        entries=tuple(entry for part in parts for entry in _entries(part)),
        findings=tuple(findings),
    )


@dataclass(frozen=True)
class _Part:
    split: Split
    tree: Tree
    prefix: str
    """What its pictures' names begin with."""


def _is_split(tree: Tree, name: str) -> bool:
    """Whether a folder is named as a split and holds class folders; `train` may be a class too."""
    inside = tree.folders[name].folders.values()
    return name.lower() in SPLIT_WORDS and any(folder.has_files() for folder in inside)


def _check_splits(tree: Tree, found: list[Split], test: Tree | None) -> None:
    if len(set(found)) < len(found):
        raise DataError(f"{tree.where} has two folders for the same split; keep one of them.")
    if "train" not in found:
        raise DataError(f"{tree.where} has a {found[0]} folder but no train folder; add it.")
    if test is not None and "test" in found:
        raise DataError(
            f"{tree.where} has a test folder, and {test.where} is given for the test too; give one."
        )
    if test is None and "test" not in found:
        raise DataError(
            f"{tree.where} has a train folder but no test folder; add one, or give the train folder"
            " itself: what is not drawn from it is tested on."
        )


def _check_classes(tree: Tree) -> None:
    if tree.folders and all(name.lower() in SPLIT_WORDS for name in tree.folders):
        raise DataError(
            f"The folders in {tree.where} are called {listed(tree.folders)}, and hold no class"
            " folders; put the pictures of each class into a folder in them that is named after it."
        )
    if not tree.folders:
        raise DataError(
            f"There are no class folders in {tree.where}; put the pictures of each class into a"
            " folder that is named after it."
        )
    nested = [shown(name) for name, inside in tree.folders.items() if _is_nested(inside)]
    if nested:
        raise DataError(
            f"The folders in {tree.where} hold folders, not pictures ({listed(nested, 3)}). Give"
            f" one of them, or a ZIP of it, such as {nested[0]}."
        )


def _is_nested(inside: Tree) -> bool:
    return not inside.files and inside.has_files()


def _entries(part: _Part) -> list[Entry]:
    return [
        Entry(folder, part.split, f"{part.prefix}{shown(folder)}/{shown(file)}", read)
        for folder, inside in part.tree.folders.items()
        for file, read in inside.files.items()
    ]


def _beside(tree: Tree, names: Iterable[str]) -> list[Finding]:
    names = sorted(map(shown, names))
    if not names:
        return []
    text = f"What lies beside the folders of {tree.where} is ignored ({listed(names, MOST_NAMED)})."
    return [Finding(None, "info", text)]


def _deeper(tree: Tree) -> list[Finding]:
    names = [
        f"{shown(folder)}/{shown(name)}"
        for folder, inside in tree.folders.items()
        for name in inside.folders
    ]
    if not names:
        return []
    text = f"Folders inside a class are ignored ({listed(names, MOST_NAMED)})."
    return [Finding(None, "info", text)]
