"""What clicks on the second step do: preset, budget, methods and all their settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sparse_peft import presets, tables
from sparse_peft.errors import SpecError, UserError
from sparse_peft.methods import method_named
from sparse_peft.methods.fields import settings
from sparse_peft.planning import MOST_SEED, MOST_TRAIN_SEEDS
from sparse_peft.ui.clicks import typed
from sparse_peft.ui.clicks.actions import Action, Answer, FieldError
from sparse_peft.ui.clicks.asks import Nothing
from sparse_peft.ui.clicks.prompts import typed_prompts
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft, Value, new
from sparse_peft.ui.estimates import probing
from sparse_peft.ui.estimates.chosen import PRESETS, family_of
from sparse_peft.ui.estimates.dial import LAST_STOP

PANEL = ("methods",)
MOST_STEPS = 100_000
DRAWN = Answer(show=PANEL)


@dataclass(frozen=True)
class Budget:
    """A place on the budget dial."""

    stop: int


@dataclass(frozen=True)
class Tick:
    """A method that is to be compared, or is not."""

    method: str
    on: bool


@dataclass(frozen=True)
class ChoosePreset:
    """A preset by name."""

    preset: str


@dataclass(frozen=True)
class Steps:
    """What was typed as the number of steps; empty is the preset's."""

    steps: str | int | None


@dataclass(frozen=True)
class TrainSeeds:
    """What was typed as how often to train each method."""

    train_seeds: str | int | None


@dataclass(frozen=True)
class Seed:
    """What was typed as the seed."""

    seed: str | int | None


@dataclass(frozen=True)
class Field:
    """What was typed at a setting of a method; empty is the preset's."""

    method: str
    name: str
    value: Value


@dataclass(frozen=True)
class Rate:
    """What was typed as a method's learning rate; empty is the preset's."""

    method: str
    lr: str | float | None


@dataclass(frozen=True)
class Prompts:
    """The test prompts, one a line; empty are the usual ones."""

    text: str


@dataclass(frozen=True)
class LinearProbe:
    """Whether the linear probe is computed too."""

    on: bool


def budget(desk: Desk, asked: Budget) -> Answer:
    """Turn the dial."""
    if not 0 <= asked.stop <= LAST_STOP:
        raise SpecError(f"The budget's place is {asked.stop}; use 0 to {LAST_STOP}.")
    desk.change(stop=asked.stop)
    return DRAWN


def tick(desk: Desk, asked: Tick) -> Answer:
    """Take a method in, or leave it out."""
    methods = _with(desk.draft.methods, _known(asked.method), asked.on)
    desk.change(methods=methods, over=_with(desk.draft.over, asked.method, False))
    return DRAWN


def over(desk: Desk, asked: Tick) -> Answer:
    """Add a method at its smallest although that is over the budget, or take this back."""
    draft = desk.draft
    methods = _with(draft.methods, _known(asked.method), True) if asked.on else draft.methods
    desk.change(methods=methods, over=_with(draft.over, asked.method, asked.on))
    return DRAWN


def preset(desk: Desk, asked: ChoosePreset) -> Answer:
    """Take another preset, with its own number of steps."""
    names = PRESETS[desk.task]
    if asked.preset not in names:
        raise SpecError(f"unknown preset {asked.preset!r}; there are {', '.join(names)}.")
    # A recipe of few-shot learning brings its own targets, on which the old place means little.
    place = {"stop": None} if desk.task == "fewshot" else {}
    desk.change(preset=asked.preset, steps=None, **place)
    return DRAWN


def steps(desk: Desk, asked: Steps) -> Answer:
    """Set the number of optimizer steps."""
    desk.change(steps=typed.whole(asked.steps, "Steps", 1, MOST_STEPS))
    return DRAWN


def train_seeds(desk: Desk, asked: TrainSeeds) -> Answer:
    """Set how often each method is trained."""
    times = typed.whole(asked.train_seeds, "Train each method", 1, MOST_TRAIN_SEEDS)
    desk.change(train_seeds=times or new(desk.task).train_seeds)
    return DRAWN


def seed(desk: Desk, asked: Seed) -> Answer:
    """Set the seed of the data order and the noise."""
    number = typed.whole(asked.seed, "Seed", 0, MOST_SEED)
    desk.change(seed=new(desk.task).seed if number is None else number)
    return DRAWN


def field(desk: Desk, asked: Field) -> Answer:
    """Set one setting of one method."""
    kind, draft = method_named(_known(asked.method)), desk.draft
    if asked.name not in {each.name for each in settings(kind)}:
        raise SpecError(f"{kind.label} has no setting {asked.name!r}.")
    with _at(f"{asked.method}.{asked.name}"):
        own = dict(draft.fields.get(asked.method, {}))
        own.pop(asked.name, None)
        if asked.value not in ("", None):
            own[asked.name] = typed.setting(kind, asked.name, asked.value)
        usual = _usual(draft, asked.method)
        tables.build(kind, usual | own, kind.label)
        if own.get(asked.name) == usual.get(asked.name, getattr(kind(), asked.name)):
            own.pop(asked.name, None)
    desk.change(fields={**draft.fields, asked.method: own})
    return DRAWN


def lr(desk: Desk, asked: Rate) -> Answer:
    """Set a method's learning rate."""
    rates = dict(desk.draft.lr)
    rates.pop(_known(asked.method), None)
    if asked.lr not in ("", None):
        with _at(f"{asked.method}.lr"):
            rates[asked.method] = typed.rate(asked.lr)
    desk.change(lr=rates)
    return DRAWN


def prompts(desk: Desk, asked: Prompts) -> Answer:
    """Set the test prompts, as a person writes them."""
    desk.change(prompts=typed_prompts(asked.text, desk.draft.noun))
    return DRAWN


def linear_probe(desk: Desk, asked: LinearProbe) -> Answer:
    """Take the linear probe in, or leave it out."""
    desk.change(classes=replace(desk.draft.classes, linear_probe=asked.on))
    return DRAWN


def measure(desk: Desk, asked: Nothing) -> Answer:
    """Have a few steps of the ticked methods timed on this machine; fetch the backbone first."""
    del asked
    probing.begin(desk)
    return replace(DRAWN, said="Measuring this machine.")


def reset(desk: Desk, asked: Nothing) -> Answer:
    """Go back to the preset in everything that More settings holds."""
    del asked
    usual = new(desk.task)
    desk.change(
        steps=None, seed=usual.seed, train_seeds=usual.train_seeds, prompts=(), fields={}, lr={}
    )
    return DRAWN


def _known(name: str) -> str:
    method_named(name)
    return name


def _with(names: tuple[str, ...], name: str, on: bool) -> tuple[str, ...]:
    others = tuple(other for other in names if other != name)
    if on and name in names:
        return names
    return (*others, name) if on else others


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Inside it, a mistake is one of this field."""
    try:
        yield
    except UserError as error:
        raise FieldError(str(error), place, "methods") from error


def _usual(draft: Draft, name: str) -> dict[str, Value]:
    family = family_of(draft)
    if family is None:
        return {}
    methods = presets.preset(draft.preset, draft.task, family).methods
    return methods[name].fields if name in methods else {}


ACTIONS = {
    "budget": Action(Budget, budget, "budget", PANEL),
    "tick": Action(Tick, tick, "methods", PANEL),
    "over": Action(Tick, over, "methods", PANEL),
    "preset": Action(ChoosePreset, preset, "preset", PANEL),
    "steps": Action(Steps, steps, "steps", PANEL),
    "train_seeds": Action(TrainSeeds, train_seeds, "train_seeds", PANEL),
    "seed": Action(Seed, seed, "seed", PANEL),
    "field": Action(Field, field, "methods", PANEL),
    "lr": Action(Rate, lr, "methods", PANEL),
    "prompts": Action(Prompts, prompts, "prompts", PANEL),
    "linear_probe": Action(LinearProbe, linear_probe, "methods", PANEL),
    "measure": Action(Nothing, measure, "measure", PANEL),
    "reset": Action(Nothing, reset, "methods", PANEL),
}
