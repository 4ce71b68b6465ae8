"""From the boxes on a desk to a few-shot comparison in the queue; each mistake is at its field."""

from sparse_peft.backbones import source as sources
from sparse_peft.data.labelled import Labelled
from sparse_peft.data.shots import check_shots
from sparse_peft.errors import DataError
from sparse_peft.planning.classes import ClassesChoices, check, plan
from sparse_peft.presets import ClassesPreset
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE
from sparse_peft.ui.classes import backbones, counting, sorting
from sparse_peft.ui.clicks import starting
from sparse_peft.ui.clicks.actions import FieldError
from sparse_peft.ui.clicks.starting import at
from sparse_peft.ui.desk.desk import Desk

NO_NEW_CLASSES = (
    "{} reads no words, so it cannot name classes that it was not shown. Learn all classes, or"
    " choose a CLIP."
)


def start(desk: Desk) -> str:
    """The id of the comparison that the draft asks for, now in the queue.

    Asked for again while it waits or works, it is the same one.

    Raises:
        FieldError: something has to be mended first.
        RunError: the disk is full, or no runner can be started.
    """
    with starting.alone(desk):
        with desk.holding_pictures():
            chosen = choices(desk)
            chosen.labelled.save(desk.class_pictures, desk.home / "data" / desk.owner)
        return submit(desk, chosen)


def submit(desk: Desk, chosen: ClassesChoices) -> str:
    """The id of the comparison of these choices, whose pictures have been saved."""
    return starting.queued(desk, *plan(chosen, desk.home))


def choices(desk: Desk) -> ClassesChoices:
    """What the draft asks for, checked.

    A method that cannot go as low as the budget is left out unless it was added at its smallest;
    so is one without a learning rate.

    Raises:
        FieldError: something has to be mended first.
    """
    draft, form = desk.draft, desk.draft.classes
    source = starting.source_of(draft)
    labelled = labelled_of(desk)
    reads = backbones.reads_words(source.id)
    if form.base_to_new and not reads:
        raise FieldError(NO_NEW_CLASSES.format(source.title), "shots", "pictures")
    preset = starting.preset_of(draft, source)
    assert isinstance(preset, ClassesPreset)
    with at("preset", "methods"):  # CLIP-LoRA's layers are not in every backbone
        shapes = sources.shapes(source, preset.shared.targets)
    budget = starting.budget_of(draft, preset, shapes)
    probe = form.linear_probe or not reads
    methods: tuple[str, ...] = ()
    if draft.methods or not probe:
        methods = starting.in_reach(draft, preset, budget, shapes)
    chosen = ClassesChoices(
        source=source,
        labelled=labelled,
        dataset_id=f"{desk.owner}/{labelled.id}",
        preset=preset,
        methods=(*([LINEAR_PROBE] if probe else []), *methods),
        shots=form.shots,
        budget=budget,
        steps=draft.steps,
        template=(form.template or None) if reads else None,
        seed=draft.seed,
        seeds=draft.train_seeds,
        base_to_new=form.base_to_new,
        owner=desk.owner,
        allow_over=bool(draft.over),
    )
    with starting.named_field("methods"):
        check(chosen)
    return chosen


def labelled_of(desk: Desk) -> Labelled:
    """The draft's boxes as a data set.

    Raises:
        FieldError: something about them has to be mended first.
    """
    form = desk.draft.classes
    for place, sentence in sorting.missing(form).items():
        raise FieldError(sentence, place, "pictures")
    with at("classes", "pictures"):
        for picture in form.everything():
            if not (desk.class_pictures / picture.file).is_file():
                raise DataError(f"{picture.name} is not there any more. Add it again.")
        labelled = counting.labelled_of(form)
        check_shots(labelled, form.shots)
    return labelled
