"""From what a person chose to the runs that will do it: sized, counted or refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.subject import DATA_FILE, Subject
from sparse_peft.errors import SpecError
from sparse_peft.files import sha256
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Footprint, Method, Plan, Shapes
from sparse_peft.presets import Preset
from sparse_peft.runs.spec import ComparisonSpec, Input, RunSpec, new_id
from sparse_peft.tasks.recipe import Shared, Training, TrainSettings

STOPS_EACH_SIDE = 24  # of the budget scale: a quarter of a doubling each, from 1/64 to 64
SEED_STRIDE = 1000  # between the training seeds of one method
MOST_SEED = 2**31 - 1
MOST_TRAIN_SEEDS = 100


@dataclass(frozen=True)
class Choices:
    """What a person chose for one DreamBooth comparison."""

    source: Source
    subject: Subject
    subject_id: str
    preset: Preset
    methods: tuple[str, ...]
    budget: int | None
    """trainable values; None takes the preset's"""
    steps: int | None
    """None takes the preset's"""
    prompts: tuple[str, ...]
    seed: int
    train_seeds: int
    owner: str = "local"
    allow_over: bool = False
    """whether a method that cannot go so low is taken at its smallest"""


@dataclass(frozen=True)
class PlannedRun:
    """A training run as it was planned, before anything was measured."""

    id: str
    """name within the comparison: waveft, or waveft-2 for its second training"""
    run: str
    method: str
    training: Training
    knob: str
    over_budget: bool
    footprint: Footprint


@dataclass(frozen=True)
class ComparisonPlan:
    """What a comparison's spec holds: enough to show it, to resume it and to repeat it."""

    task: str
    backbone: str
    subject: str
    """id below data/"""
    budget: int
    preset: str
    shared: Shared
    prepare: str
    """id of the prepare run"""
    runs: tuple[PlannedRun, ...]


def lora_rank_one(shapes: Shapes) -> int:
    """Trainable values of LoRA at rank 1: the unit of the budget scale."""
    return sum(out + into for out, into in shapes.values())


def budget_scale(shapes: Shapes) -> tuple[int, ...]:
    """The 49 stops of the budget dial: quarter doublings from 1/64 of LoRA rank 1 to rank 64."""
    unit = lora_rank_one(shapes)
    span = range(-STOPS_EACH_SIDE, STOPS_EACH_SIDE + 1)
    return tuple(round(unit * 2 ** (stop / 4)) for stop in span)


def preset_budget(preset: Preset, shapes: Shapes) -> int:
    """The budget that a preset asks for on this backbone."""
    return round(preset.lora_ranks * lora_rank_one(shapes))


def sized(
    name: str, preset: Preset, budget: int, shapes: Shapes, *, allow_over: bool
) -> tuple[Method, bool]:
    """A method at its largest size within the budget, and whether it had to exceed it.

    Raises:
        SpecError: the budget is below the method's smallest and `allow_over` is off.
    """
    kind = method_named(name)
    fields = preset.method(name).fields
    method = tables.build(kind, fields, f"preset {preset.name} [methods.{name}.fields]")
    return within(method, budget, shapes, allow_over=allow_over)


def within(method: Method, budget: int, shapes: Shapes, *, allow_over: bool) -> tuple[Method, bool]:
    """The method at its largest size within the budget, and whether it had to exceed it.

    Raises:
        SpecError: as in `sized`.
    """
    span = method.budget_range(shapes)
    if span is None:
        return method, False
    if budget < span[0] and allow_over:
        return method.fit(span[0], shapes), True
    return method.fit(budget, shapes), False


def check(choices: Choices) -> None:
    """Return if the choices can be planned; nothing is read but the backbone's headers.

    Raises:
        SpecError: an impossible budget, an unknown method, too few steps.
    """
    _check_methods(choices.methods)
    if not 1 <= choices.train_seeds <= MOST_TRAIN_SEEDS:
        raise SpecError(f"--train-seeds is {choices.train_seeds}; use 1 to {MOST_TRAIN_SEEDS}.")
    if choices.steps is not None and choices.steps < 1:
        raise SpecError(f"--steps is {choices.steps}; use 1 or more.")
    check_seed(choices.seed)
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    budget = _budget(choices, shapes)
    _check_sizes(choices, budget, shapes)


def check_seed(seed: int) -> None:
    """Return if it can be a seed; SpecError says why not."""
    if not 0 <= seed <= MOST_SEED:
        raise SpecError(f"--seed is {seed}; use 0 to {MOST_SEED}.")


def plan(choices: Choices, home: Path) -> tuple[ComparisonSpec, list[RunSpec], ComparisonPlan]:
    """The comparison and its runs, ready for the store.

    Args:
        home: where the subject has been saved.

    Raises:
        SpecError: as in `check`.
    """
    check(choices)
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    budget = _budget(choices, shapes)
    shared = _shared(choices)
    comparison, prepare = new_id(), new_id()
    planned, settings = [], []
    for number, name in enumerate(choices.methods * choices.train_seeds):
        run, train = _train(choices, name, number // len(choices.methods), budget, shapes, shared)
        planned.append(run)
        settings.append(train)
    content = ComparisonPlan(
        "dreambooth", choices.source.id, choices.subject_id, budget, choices.preset.name, shared,
        prepare, tuple(planned),
    )  # fmt: skip
    inputs = subject_inputs(home, choices.subject_id)
    owner = choices.owner
    specs = [RunSpec(prepare, "prepare", owner, comparison, tables.table(shared), inputs)]
    specs += [
        RunSpec(run.run, "train", owner, comparison, tables.table(train), (), (prepare,))
        for run, train in zip(planned, settings, strict=True)
    ]
    return ComparisonSpec(comparison, owner, tables.table(content)), specs, content


def subject_inputs(home: Path, subject_id: str) -> tuple[Input, ...]:
    """The files of a saved subject, as inputs of a run."""
    folder = home / "data" / subject_id
    subject = Subject.load(folder)
    names = [DATA_FILE, *(picture.file for picture in subject.pictures)]
    return tuple(
        Input(name, f"data/{subject_id}/{name}", sha256(folder / name))
        for name in dict.fromkeys(names)
    )


def _check_methods(methods: tuple[str, ...]) -> None:
    if not methods:
        raise SpecError("--methods is empty; name at least one, such as waveft,lora,so.")
    for name in methods:
        method_named(name)
    repeated = {name for name in methods if methods.count(name) > 1}
    if repeated:
        raise SpecError(f"--methods names {', '.join(sorted(repeated))} twice; name each once.")


def _check_sizes(choices: Choices, budget: int, shapes: Shapes) -> None:
    """Refuse a budget with all methods that it is too small for in one sentence."""
    smallest = {}
    for name in choices.methods:
        method, over = sized(name, choices.preset, budget, shapes, allow_over=True)
        if over and not choices.allow_over:
            smallest[name] = method.footprint(shapes, Plan(1, choices.seed)).active
    if smallest:
        floors = ", ".join(f"{name} ({count} at least)" for name, count in smallest.items())
        raise SpecError(
            f"--budget {budget} is too small for {floors}. "
            f"Use --budget {max(smallest.values())} or more, or leave those methods out."
        )


def _budget(choices: Choices, shapes: Shapes) -> int:
    weights = sum(out * into for out, into in shapes.values())
    if choices.budget is None:
        return preset_budget(choices.preset, shapes)
    if choices.budget < 1:
        raise SpecError(
            f"--budget is {choices.budget}; use 1 or more trainable values, "
            f"such as {lora_rank_one(shapes)} (LoRA rank 1)."
        )
    if choices.budget > weights:
        raise SpecError(
            f"--budget {choices.budget} is more than the {weights} weights that may be tuned in "
            f"{choices.source.title}; use at most {weights}, such as {lora_rank_one(shapes)} "
            "(LoRA rank 1)."
        )
    return choices.budget


def _shared(choices: Choices) -> Shared:
    return Shared(
        **vars(choices.preset.shared),
        backbone=choices.source.id,
        noun=choices.subject.noun,
        token=choices.subject.token,
        prompts=choices.prompts,
        seed=choices.seed,
    )


def _train(
    choices: Choices, name: str, repeat: int, budget: int, shapes: Shapes, shared: Shared
) -> tuple[PlannedRun, TrainSettings]:
    preset = choices.preset
    method, over = sized(name, preset, budget, shapes, allow_over=choices.allow_over)
    seed = choices.seed + SEED_STRIDE * repeat
    defaults: dict[str, Any] = tables.table(preset.training)
    if choices.steps is not None:
        defaults["steps"] = choices.steps
    training = Training(lr=preset.method(name).lr, seed=seed, preset=preset.name, **defaults)
    footprint = method.footprint(shapes, Plan(training.steps, seed))
    label = name if repeat == 0 else f"{name}-{repeat + 1}"
    run = PlannedRun(label, new_id(), name, training, method.knob(shapes), over, footprint)
    # The order of the data differs between repeats too: a repeat is a whole second training.
    again = tables.build(Shared, tables.table(shared) | {"seed": seed}, "shared")
    fields = tables.table(method)
    return run, TrainSettings(again, training, name, fields, budget, over)


def read_plan(spec: ComparisonSpec) -> ComparisonPlan:
    """What `plan` put into a comparison's spec."""
    return tables.build(ComparisonPlan, spec.settings, f"comparison {spec.id}")


def same(one: ComparisonPlan, other: ComparisonPlan) -> bool:
    """Whether both ask for the same: everything but the ids of the runs."""

    def asked(content: ComparisonPlan) -> object:
        table = tables.table(content) | {"prepare": None}
        return table | {"runs": [run | {"run": None} for run in table["runs"]]}

    return asked(one) == asked(other)
