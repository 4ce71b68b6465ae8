"""A few-shot comparison: from what a person chose to the runs that will do it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source, Task
from sparse_peft.backbones.vision import source as vision_source
from sparse_peft.data.base_new import halves
from sparse_peft.data.labelled import DATA_FILE, Labelled
from sparse_peft.data.published.transfer import joins_val
from sparse_peft.data.shots import check_shots
from sparse_peft.errors import SpecError
from sparse_peft.files import sha256
from sparse_peft.methods.method import Footprint, Plan, Shapes
from sparse_peft.planning.budget import (
    budget_within,
    check_methods,
    check_seed,
    check_sizes,
    rate,
    sized,
)
from sparse_peft.presets import MOST_SEED, ClassesPreset
from sparse_peft.runs.spec import ComparisonSpec, Input, RunSpec, new_id
from sparse_peft.tasks.fewshot.recipe import (
    LINEAR_PROBE,
    TASK,
    ZERO_SHOT,
    Classes,
    ClassPrepareSettings,
    ClassTraining,
    ClassTrainSettings,
    Learned,
    Tested,
)

REFERENCES = (ZERO_SHOT, LINEAR_PROBE)  # computed from frozen features, outside the budget
MOST_SEEDS = 100


@dataclass(frozen=True)
class ClassesChoices:
    """What a person chose for one few-shot comparison."""

    source: Source
    labelled: Labelled
    dataset_id: str
    """id below data/"""
    preset: ClassesPreset
    methods: tuple[str, ...]
    """names of methods and of references; a CLIP's zero-shot is always there, and the linear probe
    of a vision backbone"""
    shots: int | None
    """None: every training picture"""
    budget: int | None = None
    """trainable values; None takes the preset's"""
    steps: int | None = None
    """None takes the preset's for that many shots"""
    template: str | None = None
    """None takes the preset's"""
    seed: int = 1
    """the first one; published draws are numbered from 1"""
    seeds: int = 3
    """how many, counted up from the first"""
    base_to_new: bool = False
    """learn the first half of the classes, test on both halves"""
    evaluate: Tested = "test"
    """the split that is tested on"""
    owner: str = "local"
    allow_over: bool = False
    """whether a method that cannot go so low is taken at its smallest"""

    @property
    def trained(self) -> tuple[str, ...]:
        """The methods that are trained."""
        return tuple(name for name in self.methods if name not in REFERENCES)

    @property
    def learn_from(self) -> tuple[Learned, ...]:
        """The splits that are drawn from; VTAB's published training takes both of its own."""
        joined = self.evaluate == "test" and joins_val(self.labelled.title)
        return ("train", "val") if joined else ("pool", "train")


@dataclass(frozen=True)
class PlannedClassRun:
    """A training run as it was planned, before anything was measured."""

    id: str
    """name within the comparison: waveft-s1 for its training on the draw of seed 1"""
    run: str
    method: str
    training: ClassTraining
    knob: str
    over_budget: bool
    footprint: Footprint
    preset_steps: int | None = None
    """steps that the preset itself has for what is learned from; none in a plan that was kept
    before they were"""


@dataclass(frozen=True)
class ClassesPlan:
    """What a comparison's spec holds: enough to show it, to resume it and to repeat it."""

    task: Task
    backbone: str
    dataset: str
    """id below data/"""
    title: str
    """of the data set"""
    budget: int
    preset: str
    shared: Classes
    references: tuple[str, ...]
    prepare: str
    """id of the prepare run"""
    runs: tuple[PlannedClassRun, ...]


def check(choices: ClassesChoices) -> None:
    """Return if the choices can be planned; nothing is read but the backbone's shapes.

    Raises:
        SpecError: an impossible budget, an unknown method, too few steps or seeds.
        BackboneError: the file of a vision backbone is of another architecture.
        DataError: a class has too few pictures.
    """
    check_methods(choices.methods, REFERENCES)
    if not 1 <= choices.seeds <= MOST_SEEDS:
        raise SpecError(f"--seeds is {choices.seeds}; use 1 to {MOST_SEEDS}.")
    if choices.shots is not None and choices.shots < 1:
        raise SpecError(f"--shots is {choices.shots}; use 1 or more pictures of each class.")
    if choices.steps is not None and choices.steps < 1:
        raise SpecError(f"--steps is {choices.steps}; use 1 or more.")
    check_seed(choices.seed)
    check_seed(min(choices.seed + choices.seeds - 1, MOST_SEED + 1))
    check_shots(choices.labelled, choices.shots, None, choices.learn_from, choices.evaluate)
    _check_backbone(choices)
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    budget = budget_within(choices.budget, choices.preset, shapes, choices.source.title)
    if not choices.allow_over:
        check_sizes(choices.trained, choices.preset, budget, shapes, choices.seed)


def _check_backbone(choices: ClassesChoices) -> None:
    """Refuse what the backbone cannot do."""
    title, vision = choices.source.title, choices.source.kind == "vision"
    if vision and ZERO_SHOT in choices.methods:
        raise SpecError(
            f"{title} reads no words, so there is no zero-shot. Leave {ZERO_SHOT} out: what every "
            f"method is compared with there is {LINEAR_PROBE}."
        )
    if vision and choices.base_to_new:
        raise SpecError(
            f"{title} reads no words, so it cannot name classes that it was not shown. Leave "
            "--base-to-new out, or choose a CLIP."
        )
    if vision and choices.template is not None:
        raise SpecError(f"{title} reads no words. Leave --template out, or choose a CLIP.")
    shared = choices.preset.shared
    if not vision and (shared.view or shared.cls_token or shared.drop_path):
        raise SpecError(
            f"preset {choices.preset.name}: view, cls_token and drop_path are of vision backbones; "
            f"{title} is none."
        )
    if vision:
        vision_source.check_weights(choices.source)


def plan(choices: ClassesChoices, home: Path) -> tuple[ComparisonSpec, list[RunSpec], ClassesPlan]:
    """The comparison and its runs, ready for the store.

    Args:
        home: where the data set has been saved.

    Raises:
        SpecError, DataError: as in `check`.
    """
    check(choices)
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    budget = budget_within(choices.budget, choices.preset, shapes, choices.source.title)
    shared = _shared(choices)
    comparison, prepare = new_id(), new_id()
    planned, settings = [], []
    for name in choices.trained:
        for seed in shared.seeds:
            run, train = _train(choices, name, seed, budget, shapes, shared)
            planned.append(run)
            settings.append(train)
    always = LINEAR_PROBE if choices.source.kind == "vision" else ZERO_SHOT
    references = tuple(dict.fromkeys((always, *_references(choices.methods))))
    content = ClassesPlan(
        TASK, choices.source.id, choices.dataset_id, choices.labelled.title, budget,
        choices.preset.name, shared, references, prepare, tuple(planned),
    )  # fmt: skip
    inputs, owner = labelled_inputs(home, choices.dataset_id), choices.owner
    prepare_settings = tables.table(ClassPrepareSettings(shared, references))
    specs = [RunSpec(prepare, "prepare", owner, comparison, prepare_settings, inputs, task=TASK)]
    specs += [
        RunSpec(run.run, "train", owner, comparison, tables.table(train), inputs, (prepare,),
                task=TASK)
        for run, train in zip(planned, settings, strict=True)
    ]  # fmt: skip
    return ComparisonSpec(comparison, owner, tables.table(content)), specs, content


def labelled_inputs(home: Path, dataset_id: str) -> tuple[Input, ...]:
    """The files of a saved data set, as inputs of a run; of one in place its table alone."""
    folder = home / "data" / dataset_id
    labelled = Labelled.load(folder)
    own = () if labelled.root else labelled.pictures
    sums = {DATA_FILE: sha256(folder / DATA_FILE)} | {p.file: p.sha256 for p in own}
    return tuple(Input(name, f"data/{dataset_id}/{name}", digest) for name, digest in sums.items())


def _references(methods: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in methods if name in REFERENCES)


def _shared(choices: ClassesChoices) -> Classes:
    names, everyone = choices.labelled.classes, tuple(range(len(choices.labelled.classes)))
    base, new = halves(choices.labelled) if choices.base_to_new else (everyone, ())
    defaults = vars(choices.preset.shared)
    if choices.template is not None:
        defaults = defaults | {"template": choices.template}
    return Classes(
        **defaults,
        backbone=choices.source.id,
        classes=tuple(names[label] for label in base),
        new_classes=tuple(names[label] for label in new),
        labels=(*base, *new),
        shots=choices.shots,
        seeds=tuple(choices.seed + number for number in range(choices.seeds)),
        learn_from=choices.learn_from,
        evaluate=choices.evaluate,
    )


def _train(
    choices: ClassesChoices, name: str, seed: int, budget: int, shapes: Shapes, shared: Classes
) -> tuple[PlannedClassRun, ClassTrainSettings]:
    preset = choices.preset
    method, over = sized(name, preset, budget, shapes, allow_over=choices.allow_over)
    shots, pictures = _learned(choices, shared)
    training = class_training(
        preset, rate(name, preset, budget, shapes), shots, choices.steps, seed, pictures
    )
    footprint = method.footprint(shapes, Plan(training.steps, seed))
    run = PlannedClassRun(
        f"{name}-s{seed}", new_id(), name, training, method.knob(shapes), over, footprint,
        preset_steps=preset.training.steps(shots, pictures),
    )  # fmt: skip
    fields = tables.table(method)
    return run, ClassTrainSettings(shared, training, name, fields, budget, over)


def _learned(choices: ClassesChoices, shared: Classes) -> tuple[int, int]:
    """Training pictures of each class, on average and rounded up, and of all classes together."""
    labels = shared.labels[: len(shared.classes)]
    if choices.shots is not None:
        return choices.shots, choices.shots * len(labels)
    counts = choices.labelled.counts(*choices.learn_from)
    every = sum(counts[label] for label in labels)
    return -(-every // len(labels)), every


def class_training(
    preset: ClassesPreset,
    lr: float,
    shots: int,
    steps: int | None,
    seed: int,
    pictures: int | None = None,
) -> ClassTraining:
    """How one method is trained on one draw.

    Args:
        steps: None takes the preset's for that many shots.
        pictures: all that are trained on; what counts epochs needs to know.
    """
    defaults: dict[str, Any] = tables.table(preset.training)
    for own in ("steps_per_shot", "epochs", "least_steps", "most_steps", "evaluations"):
        del defaults[own]
    wanted = preset.training.steps(shots, pictures) if steps is None else steps
    training = ClassTraining(lr=lr, seed=seed, steps=wanted, preset=preset.name, **defaults)
    return replace(training, sample_every=max(1, -(-wanted // preset.training.evaluations)))
