"""Boxes of pictures on a desk, one a class: how files come into them and leave them."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sparse_peft.data.findings import Finding, UnreadableError, shown
from sparse_peft.data.opening.clean import LABELLED
from sparse_peft.data.opening.folder import read_inside
from sparse_peft.data.opening.sandbox import Sandbox
from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.errors import DataError
from sparse_peft.files import write_bytes
from sparse_peft.ui.classes.form import Box, BoxPicture, ClassForm
from sparse_peft.ui.desk.desk import Desk

MOST_BOXES = 50
MOST_PICTURES = 2_000  # of a draft
BETWEEN = " + "  # the titles of two archives
MOST_LEFT_OUT = 20  # files that a box tells of


def change(desk: Desk, how: Callable[[ClassForm], ClassForm]) -> ClassForm:
    """Change the boxes in one piece, and delete the pictures that are in none of them any more.

    Raises:
        DataError: there would be too many boxes or pictures.
    """
    desk = desk.turned_to("fewshot")
    with desk.holding_pictures():
        form = how(desk.draft.classes)
        _check_room(form)
        desk.change(classes=form)
        files = {picture.file for picture in form.everything()}
        for path in desk.class_pictures.glob("*.png"):
            if path.name not in files:
                path.unlink()
    return form


def box_of(form: ClassForm, box: str) -> Box:
    """The box of that id.

    Raises:
        DataError: it has gone.
    """
    found = next((each for each in form.boxes if each.id == box), None)
    if found is None:
        raise DataError("This class is not there any more. Load the page again.")
    return found


def with_box(form: ClassForm, changed: Box) -> ClassForm:
    """The form with a box in place of the one of its id."""
    boxes = tuple(changed if each.id == changed.id else each for each in form.boxes)
    return replace(form, boxes=boxes)


def with_new(form: ClassForm, name: str = "") -> ClassForm:
    """The form with one more box at its end."""
    number = form.numbered + 1
    return replace(form, boxes=(*form.boxes, Box(str(number), name)), numbered=number)


def named(form: ClassForm, name: str) -> tuple[ClassForm, Box]:
    """The form with a box of that name: the one it has, or a nameless empty one, or a new one."""
    box = next((each for each in form.boxes if each.name.casefold() == name.casefold()), None)
    if box is not None:
        return form, box
    idle = (each for each in form.boxes if not (each.name or each.everything or each.left_out))
    box = next(idle, None)
    if box is None:
        form = with_new(form)
        box = form.boxes[-1]
    box = replace(box, name=name)
    return with_box(form, box), box


def add(
    desk: Desk, paths: Sequence[Path], box: str | None, name: str = "", *, test: bool = False
) -> Box:
    """Put uploaded files into a box, after those that are there.

    A file that cannot be used is left out and named, and so is one that is in the box already.

    Args:
        box: its id; None: the box of that name, made if need be.
        test: whether they are the class's own test pictures.

    Raises:
        DataError: the box has gone, or there would be too many pictures.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pictures, left_out = _decoded(paths, Path(scratch))
        found: list[str] = []

        def joined(form: ClassForm) -> ClassForm:
            if box is None:
                form, into = named(form, name)
            else:
                into = box_of(form, box)
            found.append(into.id)
            grown = _grown(into, pictures, left_out, test=test)
            form = with_box(form, grown)
            _check_room(form)
            _keep(desk, Path(scratch), pictures)
            return form

        return box_of(change(desk, joined), found[0])


def put(desk: Desk, folder: Path, boxes: Sequence[Box], title: str, said: Sequence[str]) -> None:
    """Replace all boxes by these, whose pictures lie in a folder."""

    def all_new(form: ClassForm) -> ClassForm:
        numbered = tuple(replace(box, id=str(n)) for n, box in enumerate(boxes, 1))
        form = replace(
            form, boxes=numbered or ClassForm().boxes, numbered=max(2, len(boxes)), title=title,
            said=tuple(said), base_to_new=False,
        )  # fmt: skip
        _check_room(form)
        _keep(desk, folder, form.everything())
        return form

    change(desk, all_new)


def join(desk: Desk, folder: Path, boxes: Sequence[Box], title: str, said: Sequence[str]) -> None:
    """Add these boxes to those that are there; classes of one name become one.

    Args:
        title: of what they came from; it stands beside that of what was there before.
    """

    def joined(form: ClassForm) -> ClassForm:
        first = not any(form.everything())
        for new in boxes:
            form, into = named(form, new.name)
            into = _grown(into, new.pictures, new.left_out, test=False)
            form = with_box(form, _grown(into, new.tests, (), test=True))
        titles = [] if first else form.title.split(BETWEEN)
        together = BETWEEN.join(dict.fromkeys([*titles, title])) if all(titles) else ""
        form = replace(form, title=together, said=tuple(said))
        _check_room(form)
        _keep(desk, folder, (picture for box in boxes for picture in box.everything))
        return form

    change(desk, joined)


def remove_picture(desk: Desk, box: str, sha256: str) -> str:
    """Take a picture out of a box; the name it had."""
    name = ""

    def without(form: ClassForm) -> ClassForm:
        nonlocal name
        found = box_of(form, box)
        gone = [each for each in found.everything if each.sha256 == sha256]
        if not gone:
            raise DataError("This picture is not there any more. Load the page again.")
        name = gone[0].name
        pictures, tests = (
            tuple(each for each in some if each.sha256 != sha256)
            for some in (found.pictures, found.tests)
        )
        return with_box(form, replace(found, pictures=pictures, tests=tests))

    change(desk, without)
    return name


def _check_room(form: ClassForm) -> None:
    if len(form.boxes) > MOST_BOXES:
        raise DataError(
            f"These would be {len(form.boxes)} classes, at most {MOST_BOXES} are allowed on the"
            " page; the command line takes more."
        )
    count = sum(1 for _ in form.everything())
    if count > MOST_PICTURES:
        raise DataError(
            f"These would be {count:,} pictures, at most {MOST_PICTURES:,} are allowed on the page;"
            " the command line takes more."
        )


def _decoded(paths: Sequence[Path], scratch: Path) -> tuple[list[BoxPicture], list[Finding]]:
    """The files as clean pictures, and what was said of those that are none."""
    pictures, left_out = [], []
    with Sandbox(sizes=LABELLED) as sandbox:
        for path in paths:
            name = shown(path.name)
            try:
                decoded = sandbox.decode(read_inside(path, MOST_BYTES))
            except UnreadableError as error:
                left_out.append(Finding(name, "warn", f"could not be read, left out: {error}."))
                continue
            digest = hashlib.sha256(decoded.png).hexdigest()
            picture = BoxPicture(name, digest)
            write_bytes(scratch / picture.file, decoded.png)
            pictures.append(picture)
    return pictures, left_out


def _grown(
    box: Box, pictures: Iterable[BoxPicture], left_out: Iterable[Finding], *, test: bool
) -> Box:
    """The box with the pictures that are not in it yet."""
    known = {each.sha256: each.name for each in box.everything}
    fresh, said = [], [*box.left_out, *left_out]
    for picture in pictures:
        if picture.sha256 not in known:
            known[picture.sha256] = picture.name
            fresh.append(picture)
        elif known[picture.sha256] != picture.name:  # the same file sent again is not worth a word
            text = f"the same as {known[picture.sha256]}, left out"
            said.append(Finding(picture.name, "warn", text))
    left = tuple(said[-MOST_LEFT_OUT:])
    if test:
        return replace(box, tests=(*box.tests, *fresh), left_out=left)
    return replace(box, pictures=(*box.pictures, *fresh), left_out=left)


def _keep(desk: Desk, folder: Path, pictures: Iterable[BoxPicture]) -> None:
    """Bring clean pictures from a folder to the desk."""
    desk.class_pictures.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        kept = desk.class_pictures / picture.file
        if not kept.exists():
            shutil.copyfile(folder / picture.file, kept)
