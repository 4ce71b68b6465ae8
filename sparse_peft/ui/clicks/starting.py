"""From the draft on a desk to a comparison in the queue; each mistake is at its field."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.findings import stop_on
from sparse_peft.data.subject import Subject
from sparse_peft.data.words import names
from sparse_peft.data.words.prompts import PROMPTS, checked_prompts
from sparse_peft.errors import BackboneError, DataError, SpecError, UserError
from sparse_peft.files import Lock
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Shapes
from sparse_peft.planning import (
    AnyPlan,
    Choices,
    check,
    plan,
    preset_budget,
    read_plan,
    sized,
)
from sparse_peft.planning.changes import repeats
from sparse_peft.presets import SUFFIX, AnyPreset, MethodDefaults, Preset, changed, rated
from sparse_peft.runs import client
from sparse_peft.runs.spec import ComparisonSpec, RunSpec
from sparse_peft.runs.store import Store
from sparse_peft.ui.clicks.actions import FieldError
from sparse_peft.ui.desk.desk import Desk, Tab
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.estimates import dial as dials


def start(desk: Desk) -> str:
    """The id of the comparison that the draft asks for, now in the queue.

    Asked for again while it waits or works, it is the same one.

    Raises:
        FieldError: something has to be mended first.
        RunError: the disk is full, or no runner can be started.
    """
    with alone(desk):
        with desk.holding_pictures():
            chosen = choices(desk)
            chosen.subject.save(desk.pictures, desk.home / "data" / desk.owner)
        return submit(desk, chosen)


@contextmanager
def alone(desk: Desk) -> Iterator[None]:
    """Inside it, no other tab of this person starts, renames or deletes anything."""
    with Lock(desk.home / "locks" / f"owner-{desk.owner}.lock"):
        yield


def submit(desk: Desk, chosen: Choices) -> str:
    """The id of the comparison of these choices, whose subject has been saved."""
    return queued(desk, *plan(chosen, desk.home))


def queued(desk: Desk, spec: ComparisonSpec, runs: list[RunSpec], content: AnyPlan) -> str:
    """The id of a planned comparison, now in the queue, or of the same one that is there."""
    with Store(desk.home) as store:
        known = _under_way(store, desk.owner, runs, content)
        if known is None:
            store.submit(spec, runs)
    client.ensure_runner(desk.home)
    return known or spec.id


def _under_way(store: Store, owner: str, runs: list[RunSpec], content: AnyPlan) -> str | None:
    """The comparison of this person that does the same at this moment."""
    for comparison in reversed(store.comparisons(owner)):
        rows = store.runs(comparison)
        begun = any(
            row.state in ("queued", "running") for row in rows if row.kind in ("prepare", "train")
        )
        if not begun or store.settled(comparison):
            continue
        if repeats(store.home, read_plan(store.comparison(comparison)), content, runs):
            return comparison
    return None


def waiting(desk: Desk, comparison: str) -> str:
    """How long the queue before a comparison is, in words."""
    with Store(desk.home) as store:
        rows = store.runs()
    first = next(place for place, row in enumerate(rows) if row.comparison == comparison)
    if any(row.state != "queued" for row in rows[first:] if row.comparison == comparison):
        return "It is at work."
    before = sum(row.state in ("queued", "running") for row in rows[:first])
    if not before:
        return "Waiting: it is next."
    return f"Waiting: {before} run{'s' if before > 1 else ''} before this one."


def choices(desk: Desk) -> Choices:
    """What the draft asks for, checked.

    A method that cannot go as low as the budget is left out unless it was added at its smallest;
    so is one without a learning rate.

    Raises:
        FieldError: something has to be mended first.
    """
    draft = desk.draft
    source = source_of(draft)
    subject = subject_of(desk)
    preset = preset_of(draft, source)
    assert isinstance(preset, Preset)
    shapes = sources.shapes(source, preset.shared.targets)
    budget = budget_of(draft, preset, shapes)
    chosen = Choices(
        source=source,
        subject=subject,
        subject_id=f"{desk.owner}/{subject.id}",
        preset=preset,
        methods=in_reach(draft, preset, budget, shapes),
        budget=budget,
        steps=draft.steps,
        prompts=_prompts(draft),
        seed=draft.seed,
        train_seeds=draft.train_seeds,
        owner=desk.owner,
        allow_over=bool(draft.over),
    )
    with named_field("methods"):
        check(chosen)
    return chosen


@contextmanager
def named_field(usual: str) -> Iterator[None]:
    """Inside it, a SpecError is one of the field whose option it begins with.

    Args:
        usual: the field of one that names none.
    """
    try:
        yield
    except SpecError as error:
        option = re.match(r"--([\w-]+)", str(error))  # how the sentence names what it is about
        field = option[1].replace("-", "_") if option else usual
        raise FieldError(str(error), field, "methods") from error


@contextmanager
def at(field: str, tab: Tab) -> Iterator[None]:
    """Inside it, a mistake is one of this field."""
    try:
        yield
    except UserError as error:
        raise FieldError(str(error), field, tab) from error


def source_of(draft: Draft) -> Source:
    """The draft's backbone, if it is on this machine; nothing is downloaded."""
    with at("backbone" if draft.task == "dreambooth" else "clip", "pictures"):
        source = sources.found(draft.backbone, draft.task)
        if source is None:
            raise BackboneError(f"{draft.backbone} is not on this machine yet. Fetch it first.")
    return source


def subject_of(desk: Desk) -> Subject:
    """The draft's pictures as a subject, its token chosen if the draft has none."""
    draft, noun = desk.draft, desk.draft.noun.strip()
    with at("pictures", "pictures"):
        if not draft.pictures:
            raise DataError("Add at least one picture first; 3 to 6 are best.")
        for picture in draft.pictures:
            if not (desk.pictures / picture.file).is_file():
                raise DataError(f"{picture.name} is not there any more. Add it again.")
    with at("noun", "pictures"):
        if not noun:
            raise SpecError("Say what it is first, in a word such as dog.")
        stop_on(names.check_noun(noun, None))
    with at("token", "pictures"):
        return Subject(noun, draft.token or _free_token(draft), draft.pictures)


def _free_token(draft: Draft) -> str:
    captions = (picture.caption for picture in draft.pictures if picture.caption)
    known = source_of(draft).known_nouns
    prompts = draft.prompts or PROMPTS
    return names.free_token(names.words_of([draft.noun, *prompts, *captions, *known]))


def preset_of(draft: Draft, source: Source) -> AnyPreset:
    """The draft's preset with what the person changed about the ticked methods.

    Files are not taken: a name that a browser sends must not be a path.
    """
    with at("preset", "methods"):
        if draft.preset.endswith(SUFFIX):
            raise SpecError(f"unknown preset {draft.preset!r}.")
        preset = presets.preset(draft.preset, draft.task, source.family)
    made = {name: _changed(name, draft, preset) for name in draft.methods}
    return changed(preset, {name: ours for name, ours in made.items() if ours is not None})


def _changed(name: str, draft: Draft, preset: AnyPreset) -> MethodDefaults | None:
    """A method's defaults, the draft's in place of the preset's; None: nobody gives a rate."""
    with at("methods", "methods"):
        kind, before = method_named(name), preset.methods.get(name)
    with at(f"{name}.lr", "methods"):
        ours = rated(before, draft.lr.get(name))
    if ours is None:
        return None
    fields = dict(ours.fields)
    usual = tables.table(tables.build(kind, fields, kind.label))
    for field, value in draft.fields.get(name, {}).items():
        if field not in usual or usual[field] != value:
            fields[field] = value
            with at(f"{name}.{field}", "methods"):
                tables.build(kind, fields, kind.label)
    return replace(ours, fields=fields)


def budget_of(draft: Draft, preset: AnyPreset, shapes: Shapes) -> int:
    """The trainable values that the draft's place on the scale stands for."""
    if draft.stop is None:
        return preset_budget(preset, shapes)
    scale = dials.scale(preset.lora_ranks, shapes)
    if not 0 <= draft.stop < len(scale):
        text = f"The budget's place is {draft.stop}; use 0 to {len(scale) - 1}."
        raise FieldError(text, "budget", "methods")
    return scale[draft.stop]


def in_reach(draft: Draft, preset: AnyPreset, budget: int, shapes: Shapes) -> tuple[str, ...]:
    """The ticked methods that have a rate, and go as low as the budget or may go over it."""

    def reaches(name: str) -> bool:
        _, over = sized(name, preset, budget, shapes, allow_over=True)
        return not over or name in draft.over

    with at("methods", "methods"):
        if not draft.methods:
            raise SpecError("Tick at least one method.")
        able = [name for name in draft.methods if name in preset.methods]
        found = tuple(name for name in able if reaches(name))
        if not found:
            raise SpecError(
                f"No ticked method can go as low as {budget} values. Raise the budget, or add a "
                "method at its smallest."
                if able
                else "No ticked method has a learning rate in this preset. Give one under More "
                "settings."
            )
    return found


def _prompts(draft: Draft) -> tuple[str, ...]:
    with at("prompts", "methods"):
        return checked_prompts("\n".join(draft.prompts or PROMPTS), "Prompts")[0]
