"""The row of pictures on a desk: how files come into it and leave it, and what its checks say."""

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePath

from PIL import Image

from sparse_peft.data.findings import Finding, shown
from sparse_peft.data.opening import clean
from sparse_peft.data.pictures import (
    BLURRY_BELOW,
    MOST_PICTURES,
    NEARLY_THE_SAME,
    Opened,
    Picture,
    open_pictures,
)
from sparse_peft.errors import DataError
from sparse_peft.ui.desk import offers
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft

LONGEST_STEM = 40  # of a name that gets a number: `shown` must not cut the number off
_LOOKS_KEPT = 4096  # of pictures, in memory


def add(desk: Desk, paths: Sequence[Path]) -> Draft:
    """Put uploaded files into the row, after those that are there.

    A file that cannot be used is left out and named. Of files with one name, all but the first are
    renamed where they lie.

    Raises:
        DataError: too many pictures, or files that are too large together.
    """
    _check_room(len(desk.draft.pictures) + len(paths))
    with tempfile.TemporaryDirectory() as scratch:
        opened = open_pictures(_named_apart(paths), Path(scratch))
        if not opened.pictures and not _of_pictures(opened.findings):
            raise DataError(" ".join(finding.text for finding in opened.findings))
        return change(desk, lambda draft: _joined(desk, draft, opened, Path(scratch), len(paths)))


def put(
    desk: Desk, folder: Path, pictures: Sequence[Picture], noun: str, token: str | None
) -> Draft:
    """Replace the whole row by clean pictures that lie in a folder."""

    def all_new(draft: Draft) -> Draft:
        desk.pictures.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            shutil.copyfile(folder / picture.file, desk.pictures / picture.file)
        findings = tuple(_compared(desk.pictures, pictures))
        return replace(
            draft, pictures=tuple(pictures), findings=findings, offered=len(pictures),
            noun=noun, token=token,
        )  # fmt: skip

    return change(desk, all_new)


def remove(desk: Desk, name: str) -> Draft:
    """Take a picture out, or forget a file that was left out."""

    def without(draft: Draft) -> Draft:
        pictures = tuple(picture for picture in draft.pictures if picture.name != name)
        left_out = {finding.picture for finding in left_out_of(draft)}
        if len(pictures) == len(draft.pictures) and name not in left_out:
            raise DataError(f"{name} is not there any more. Load the page again.")
        kept = [f for f in _lasting(draft.findings, draft.pictures) if f.picture != name]
        findings = (*kept, *_compared(desk.pictures, pictures))
        return replace(draft, pictures=pictures, findings=findings, offered=draft.offered - 1)

    return change(desk, without)


def set_picture(desk: Desk, name: str, **fields: object) -> Draft:
    """Change a picture's crop or caption."""

    def with_it(draft: Draft) -> Draft:
        if all(picture.name != name for picture in draft.pictures):
            raise DataError(f"{name} is not there any more. Load the page again.")
        pictures = tuple(
            replace(picture, **fields) if picture.name == name else picture  # type: ignore[arg-type]
            for picture in draft.pictures
        )
        return replace(draft, pictures=pictures)

    return change(desk, with_it)


def change(desk: Desk, how: Callable[[Draft], Draft]) -> Draft:
    """Change the draft in one piece, and delete the pictures that are in it no more."""
    with desk.holding_pictures():
        before = desk.draft
        after = vars(how(before))
        draft = desk.change(
            **{name: value for name, value in after.items() if value != getattr(before, name)}
        )
        files = {picture.file for picture in draft.pictures}
        for path in desk.pictures.glob("*.png"):
            if path.name not in files:
                path.unlink()
    return draft


def left_out_of(draft: Draft) -> list[Finding]:
    """What was said of files that are not in the row."""
    ready = {picture.name for picture in draft.pictures}
    return [f for f in draft.findings if f.picture is not None and f.picture not in ready]


def checks(draft: Draft) -> dict[str, list[Finding]]:
    """What is said of each picture in the row, by its name."""
    said: dict[str, list[Finding]] = {picture.name: [] for picture in draft.pictures}
    for finding in draft.findings:
        if finding.picture in said:
            said[finding.picture].append(finding)
    wanted = offers.wanted_side(draft.backbone, draft.preset)
    for picture in draft.pictures:
        side = picture.crop[2] - picture.crop[0]
        if side < wanted:
            text = f"small: {side} px, {wanted} wanted"
            said[picture.name].append(Finding(picture.name, "warn", text))
    return said


def _check_room(count: int) -> None:
    if count > MOST_PICTURES:
        raise DataError(
            f"These would be {count} pictures, at most {MOST_PICTURES} are allowed;"
            " 3 to 6 good ones are enough."
        )


def _joined(desk: Desk, draft: Draft, opened: Opened, scratch: Path, offered: int) -> Draft:
    """The draft with the opened pictures after its own."""
    names = _new_names(draft, opened)
    known = {picture.sha256: picture.name for picture in draft.pictures}
    fresh = [picture for picture in opened.pictures if picture.sha256 not in known]
    pictures = (*draft.pictures, *(replace(each, name=names[each.name]) for each in fresh))
    _check_room(len(pictures))
    desk.pictures.mkdir(parents=True, exist_ok=True)
    for picture in fresh:
        shutil.move(scratch / picture.file, desk.pictures / picture.file)
    doubles = [picture for picture in opened.pictures if picture not in fresh]
    # The same file once more, perhaps because an upload was tried again, is not worth a word.
    again = [picture for picture in doubles if known[picture.sha256] == picture.name]
    said = [
        Finding(names[picture.name], "warn", f"the same as {known[picture.sha256]}, left out")
        for picture in doubles
        if picture not in again
    ]
    said += [
        replace(finding, picture=names[finding.picture or ""])
        for finding in _lasting(_of_pictures(opened.findings), opened.pictures)
        if finding.picture not in {picture.name for picture in doubles}
    ]
    lasting = (*_lasting(draft.findings, draft.pictures), *said)
    findings = (*lasting, *_compared(desk.pictures, pictures))
    offered = draft.offered + offered - len(again)
    return replace(draft, pictures=pictures, findings=findings, offered=offered)


def _of_pictures(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.picture is not None]


def _lasting(findings: Iterable[Finding], pictures: Sequence[Picture]) -> list[Finding]:
    """What was said once, of a file; warnings of a picture in the row are made anew with it."""
    ready = {picture.name for picture in pictures}
    return [f for f in findings if f.severity == "info" or f.picture not in ready]


def _compared(folder: Path, pictures: Sequence[Picture]) -> Iterator[Finding]:
    """Warnings that need the pixels: each picture's own, and its likeness to those before it."""
    hashes: list[int] = []
    for picture in pictures:
        sharpness, difference_hash = _look(folder / picture.file)
        if sharpness < BLURRY_BELOW:
            yield Finding(picture.name, "warn", "blurry")
        for number, other in enumerate(hashes, 1):
            if (other ^ difference_hash).bit_count() <= NEARLY_THE_SAME:
                yield Finding(picture.name, "warn", f"nearly the same as {number}")
                break
        hashes.append(difference_hash)


@lru_cache(_LOOKS_KEPT)
def _look(path: Path) -> tuple[float, int]:
    """Sharpness and difference hash of one of our own PNGs, whose name follows from its content."""
    with Image.open(path, formats=["PNG"]) as picture:
        return clean.sharpness(picture), clean.difference_hash(picture)


def _named_apart(paths: Sequence[Path]) -> list[Path]:
    """The files, renamed where two have one name: a phone calls every picture image.jpg."""
    names = {shown(path.name) for path in paths}
    taken: set[str] = set()
    apart = []
    for path in paths:
        if shown(path.name) in taken:
            path = path.rename(path.with_name(_free_name(path.name, names | taken)))
        taken.add(shown(path.name))
        apart.append(path)
    return apart


def _new_names(draft: Draft, opened: Opened) -> dict[str, str]:
    """By the name of each opened file: what it is called among those that are there."""
    taken = {picture.name for picture in draft.pictures}
    taken |= {finding.picture for finding in draft.findings if finding.picture is not None}
    names: dict[str, str] = {}
    said = [finding.picture for finding in opened.findings if finding.picture is not None]
    for name in dict.fromkeys([*(picture.name for picture in opened.pictures), *said]):
        names[name] = _free_name(name, taken)
        taken.add(names[name])
    return names


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the same with a number, as file managers have it: `image (2).jpg`."""
    path, number, free = PurePath(name), 1, name
    while shown(free) in taken:
        number += 1
        free = f"{path.stem[:LONGEST_STEM]} ({number}){path.suffix}"
    return free
