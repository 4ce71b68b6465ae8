"""What the boxes amount to: how many pictures of each class train and test, and what to mend."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sparse_peft.data.classes import checks as class_checks
from sparse_peft.data.findings import listed
from sparse_peft.data.labelled import Labelled, LabelledPicture
from sparse_peft.report import words
from sparse_peft.ui.classes import alike
from sparse_peft.ui.classes.form import Box, ClassForm

UNEVEN = 4  # times as many pictures as another class: beyond that it is said
MOST_NAMED = 3
TITLE = "Classes"


@dataclass(frozen=True)
class Share:
    """How the pictures of one class are used."""

    learned: int
    """drawn for training, at most the shots"""
    tested: int
    missing: int = 0
    """pictures that have to be added before it can be trained on"""


@dataclass(frozen=True)
class Checks:
    """What is said of the boxes, each sentence where it belongs."""

    together: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """of all pictures, and nothing that has to be mended"""
    boxes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """by the id of the box"""
    pictures: dict[tuple[str, str], str] = field(default_factory=dict)
    """by the box's id and the picture's sha256"""


def counted(count: int) -> str:
    """A number of pictures in words."""
    return "1 picture" if count == 1 else f"{words.count(count)} pictures"


def share(box: Box, shots: int) -> Share:
    """How the pictures of a class are used with so many shots."""
    have = len(box.pictures)
    learned = min(shots, have)
    if box.tests:
        return Share(learned, len(box.tests), max(0, shots - have))
    return Share(learned, max(0, have - shots), max(0, shots + 1 - have))


def sentence(form: ClassForm) -> str:
    """What follows from the shots, such as "4 of each class are learned from ..."."""
    filled = [share(box, form.shots) for box in form.boxes if box.everything]
    if not filled or any(each.missing for each in filled):
        spare = "" if all(box.tests for box in form.boxes) else " and one more to test it"
        return f"Each class needs {counted(form.shots)} to learn from{spare}."
    verb = "is" if form.shots == 1 else "are"
    begin = f"{form.shots} of each class {verb} learned from"
    tests = sorted({each.tested for each in filled})
    many = f"{tests[0]} to {tests[-1]}" if len(tests) > 1 else words.count(tests[0])
    if any(box.tests for box in form.boxes):
        return f"{begin}; {many} others of each test it."
    if len(tests) > 1:
        return f"{begin}, the others, {many} a class, test it."
    return f"{begin}, the other {many} test{'s' if tests == [1] else ''} it."


def ready_line(form: ClassForm) -> str:
    """How many classes there are, and how many of them can be trained on."""
    filled = [box for box in form.boxes if box.everything]
    if not filled:
        return ""
    pictures = sum(1 for _ in form.everything())
    able = sum(not share(box, form.shots).missing for box in filled)
    line = f"{words.count(len(filled))} class{'es' if len(filled) > 1 else ''}"
    line += f" with {counted(pictures)}."
    return line if able == len(filled) else f"{line} {able} of them can be trained on."


def checks(form: ClassForm, folder: Path, wanted_side: int) -> Checks:
    """All that there is to say of the boxes as they stand.

    Args:
        folder: where their pictures are.
        wanted_side: of what the backbone sees, in pixels.
    """
    said = {box.id: tuple(_of_box(form, box)) for box in form.boxes}
    likes = alike.in_two_classes(folder, form)
    small = class_checks.small(alike.sides(folder, form), wanted_side)
    notes = tuple(finding.text for finding in small)
    return Checks(tuple(_uneven(form)), notes, said, likes | twice(form))


def filled(form: ClassForm) -> tuple[Box, ...]:
    """The boxes that take part: all but those that nobody has touched."""
    return tuple(box for box in form.boxes if box.name.strip() or box.everything)


def learned(form: ClassForm) -> int:
    """Pictures that a training learns from, all classes together, once none is missing."""
    classes = len(filled(form) or form.boxes)
    return form.shots * (-(-classes // 2) if form.base_to_new else classes)  # as `halves` has it


def labelled_of(form: ClassForm) -> Labelled:
    """The boxes as a data set; those without a name and pictures are left out."""
    boxes = filled(form)
    return Labelled(
        classes=tuple(box.name for box in boxes),
        pictures=tuple(
            picture for label, box in enumerate(boxes) for picture in _labelled(box, label)
        ),
        title=form.title or TITLE,
    )


def _labelled(box: Box, label: int) -> list[LabelledPicture]:
    own = [("train" if box.tests else "pool", each) for each in box.pictures]
    own += [("test", each) for each in box.tests]
    return [
        LabelledPicture(each.file, label, split, f"{box.name}/{each.name}", each.sha256)  # type: ignore[arg-type]
        for split, each in own
    ]


def _of_box(form: ClassForm, box: Box) -> list[str]:
    said = []
    twins = [other for other in form.boxes if _key(other) and _key(other) == _key(box)]
    if len(twins) > 1:
        said.append(f'{len(twins)} classes are called "{box.name}". Rename or remove one.')
    missing = share(box, form.shots).missing
    if box.everything and missing:
        test = "" if box.tests else " and one to test it"
        said.append(f"{form.shots} to learn from{test}: add {missing} more.")
    return said


def _key(box: Box) -> str:
    return " ".join(box.name.split()).casefold()


def _uneven(form: ClassForm) -> list[str]:
    boxes = sorted((box for box in form.boxes if box.pictures), key=lambda b: len(b.pictures))
    if len(boxes) < 2 or len(boxes[-1].pictures) <= UNEVEN * len(boxes[0].pictures):
        return []
    few, many = boxes[0], boxes[-1]
    return [
        f"{_called(form, many)} has {counted(len(many.pictures))}, {_called(form, few)} has"
        f" {len(few.pictures)}. Training takes {form.shots} of each all the same; what is tested"
        " is uneven."
    ]


def twice(form: ClassForm) -> dict[tuple[str, str], str]:
    """Pictures that two classes have, each with where else it is."""
    homes: defaultdict[str, list[Box]] = defaultdict(list)
    for box in form.boxes:
        for sha256 in Counter(each.sha256 for each in box.everything):
            homes[sha256].append(box)
    return {
        (box.id, sha256): f"also in {_listed(form, [o for o in boxes if o is not box])}"
        for sha256, boxes in homes.items()
        if len(boxes) > 1
        for box in boxes
    }


def _listed(form: ClassForm, boxes: Sequence[Box]) -> str:
    return listed([_called(form, box) for box in boxes], MOST_NAMED)


def _called(form: ClassForm, box: Box) -> str:
    return box.name or called(form, box)


def called(form: ClassForm, box: Box) -> str:
    """What a box is called before it has a name."""
    return f"Class {form.boxes.index(box) + 1}"
