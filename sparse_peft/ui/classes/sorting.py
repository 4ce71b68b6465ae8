"""What clicks on the first step for classes do: boxes, names, shots, the template, the backbone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sparse_peft import presets
from sparse_peft.data.classes.offer import LONGEST_CLASS
from sparse_peft.errors import SpecError, UserError
from sparse_peft.tasks.fewshot.recipe import check_template
from sparse_peft.ui.classes import backbones, boxes, counting, folders
from sparse_peft.ui.classes.form import SHOTS, ClassForm
from sparse_peft.ui.clicks.actions import Action, Answer
from sparse_peft.ui.clicks.asks import Arrived, ChosenBackbone, Nothing, Reuse
from sparse_peft.ui.clicks.typed import whole
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk

PANELS = ("classes", "methods")
HERE = ("classes",)
MOST_SHOTS = 1_000
QUICK = "quick"  # the preset that every family has
FIRST = "Add pictures of two classes or more first."
UNNAMED = "Name this class."


@dataclass(frozen=True)
class OneBox:
    """A class."""

    box: str


@dataclass(frozen=True)
class Name:
    """What a class is called."""

    box: str
    name: str


@dataclass(frozen=True)
class OnePicture:
    """A picture of a class."""

    box: str
    sha256: str


@dataclass(frozen=True)
class Unfold:
    """Whether all pictures of a class are shown."""

    box: str
    on: bool


@dataclass(frozen=True)
class Shots:
    """What was typed as the number of training pictures of each class."""

    shots: str | int | None


@dataclass(frozen=True)
class Template:
    """What CLIP reads for each class; empty: the preset's."""

    template: str


def checked_name(name: str) -> str:
    """A class's name as a person typed it, without spaces too many.

    Raises:
        SpecError: it cannot be one.
    """
    name = " ".join(part for part in name.split(" ") if part)
    if not name.isprintable() or len(name) > LONGEST_CLASS:
        raise SpecError(f"A class's name has at most {LONGEST_CLASS} letters, all on one line.")
    return name


def _look(desk: Desk, asked: Arrived) -> Answer:
    return Answer(PANELS, said=counting.ready_line(desk.draft.classes) if asked.last else "")


def _name(desk: Desk, asked: Name) -> Answer:
    def called(form: ClassForm) -> ClassForm:
        return boxes.with_box(form, replace(boxes.box_of(form, asked.box), name=name))

    try:
        name = checked_name(asked.name)
        boxes.change(desk, called)
    except UserError as error:
        return Answer(HERE, errors={f"class_name:{asked.box}": str(error)})
    return Answer(PANELS)


def _add(desk: Desk, _asked: Nothing) -> Answer:
    form = boxes.change(desk, boxes.with_new)
    return Answer(PANELS, said=f"Class {len(form.boxes)} added.")


def _remove(desk: Desk, asked: OneBox) -> Answer:
    gone = ""

    def without(form: ClassForm) -> ClassForm:
        nonlocal gone
        box = boxes.box_of(form, asked.box)
        gone = box.name or counting.called(form, box)
        left = tuple(each for each in form.boxes if each is not box)
        return replace(form, boxes=left)

    boxes.change(desk, without)
    return Answer(PANELS, said=f"{gone} removed.")


def _remove_picture(desk: Desk, asked: OnePicture) -> Answer:
    return Answer(PANELS, said=f"{boxes.remove_picture(desk, asked.box, asked.sha256)} removed.")


def _dismiss(desk: Desk, asked: OneBox) -> Answer:
    boxes.change(
        desk, lambda form: boxes.with_box(form, replace(boxes.box_of(form, asked.box), left_out=()))
    )
    return Answer(HERE)


def _unfold(desk: Desk, asked: Unfold) -> Answer:
    def turned(form: ClassForm) -> ClassForm:
        return boxes.with_box(form, replace(boxes.box_of(form, asked.box), unfolded=asked.on))

    boxes.change(desk, turned)
    return Answer(HERE)


def _shots(desk: Desk, asked: Shots) -> Answer:
    shots = whole(asked.shots, "Pictures to learn from", 1, MOST_SHOTS) or SHOTS
    form = boxes.change(desk, lambda form: replace(form, shots=shots))
    return Answer(PANELS, said=counting.sentence(form))


def _whole(desk: Desk, _asked: Nothing) -> Answer:
    boxes.change(desk, lambda form: replace(form, base_to_new=False))
    return Answer(PANELS, said="All classes are learned.")


def _template(desk: Desk, asked: Template) -> Answer:
    template = asked.template.strip()
    if template:
        check_template(template)
    boxes.change(desk, lambda form: replace(form, template=template))
    return Answer(PANELS)


def _backbone(desk: Desk, asked: ChosenBackbone) -> Answer:
    backbone = backbones.checked(asked.backbone.strip(), desk.studio.place)
    family, before = backbones.family_of(backbone), desk.draft.preset
    known = any(
        (each.task, each.backbone, each.name) == ("fewshot", family, before)
        for each in presets.all_presets()
    )
    desk.change(backbone=backbone, preset=before if known else QUICK)
    return Answer(PANELS)


def _example(desk: Desk, _asked: Nothing) -> Answer:
    folders.put_example(desk)
    return Answer(PANELS, said=counting.ready_line(desk.draft.classes))


def _reuse(desk: Desk, asked: Reuse) -> Answer:
    folders.put_kept(desk, mine.data(desk, asked.dataset))
    return Answer(PANELS, said=counting.ready_line(desk.draft.classes))


def _clear(desk: Desk, _asked: Nothing) -> Answer:
    def empty(form: ClassForm) -> ClassForm:
        return ClassForm(template=form.template)

    boxes.change(desk, empty)
    return Answer(PANELS, said="All classes removed.")


def _next(desk: Desk, _asked: Nothing) -> Answer:
    errors = missing(desk.draft.classes)
    if errors:
        return Answer(HERE, errors=errors)
    return Answer(PANELS, tab="methods")


def missing(form: ClassForm) -> dict[str, str]:
    """What has to be mended before a comparison can be started, each sentence at its field."""
    filled = counting.filled(form)
    if len(filled) < 2 or not any(box.pictures for box in filled):
        return {"classes": FIRST}
    errors = {}
    names = [" ".join(box.name.split()).casefold() for box in filled]
    for box, name in zip(filled, names, strict=True):
        place = f"class_name:{box.id}"
        if not name:
            errors[place] = UNNAMED
        elif names.count(name) > 1:
            errors[place] = f'Two classes are called "{box.name}". Rename or remove one.'
        elif lack := counting.share(box, form.shots).missing:
            errors[f"box:{box.id}"] = (
                f"Add {lack} more picture{'' if lack == 1 else 's'}, or learn from fewer."
            )
    return {**_shared(form), **errors}


def _shared(form: ClassForm) -> dict[str, str]:
    """Classes that have a picture of another one's."""
    return {
        f"box:{box}": f"A picture is {where}. Keep it in the class that it shows."
        for (box, _), where in counting.twice(form).items()
    }


ACTIONS: Mapping[str, Action] = {
    "look_classes": Action(Arrived, _look, "classes", HERE),
    "class_name": Action(Name, _name, "classes", HERE),
    "class_add": Action(Nothing, _add, "classes", HERE),
    "class_remove": Action(OneBox, _remove, "classes", HERE),
    "class_picture": Action(OnePicture, _remove_picture, "classes", HERE),
    "class_dismiss": Action(OneBox, _dismiss, "classes", HERE),
    "class_unfold": Action(Unfold, _unfold, "classes", HERE),
    "shots": Action(Shots, _shots, "shots", HERE),
    "class_whole": Action(Nothing, _whole, "classes", HERE),
    "template": Action(Template, _template, "template", HERE),
    "clip": Action(ChosenBackbone, _backbone, "clip", HERE),
    "class_example": Action(Nothing, _example, "classes", HERE),
    "class_reuse": Action(Reuse, _reuse, "classes", HERE),
    "class_clear": Action(Nothing, _clear, "classes", HERE),
    "class_next": Action(Nothing, _next, "classes", HERE),
}
