"""Presets: complete recipes, keyed by task, backbone family and name, one TOML file each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from sparse_peft import tables
from sparse_peft.errors import SpecError
from sparse_peft.methods import method_named
from sparse_peft.tasks.dreambooth.recipe import SharedDefaults, TrainingDefaults
from sparse_peft.tasks.fewshot.recipe import ClassesDefaults, ClassTrainingDefaults

FOLDER = Path(__file__).parents[1] / "presets"
SUFFIX = ".toml"
LATENT_PIXELS = 8  # side of what one latent stands for, in all Stable Diffusion pipelines
MOST_SEED = 2**31 - 1  # what every generator of random numbers takes
CHANGED = ", changed"  # after the name of a preset whose settings a person has changed


@dataclass(frozen=True)
class MethodDefaults:
    """What a preset says about one method."""

    lr: float
    """at the preset's own budget"""
    fields: dict[str, int | float | str | bool | None] = field(default_factory=dict)
    lr_exponent: float = 0.0
    """at another budget the rate is lr * (budget / the preset's) ** lr_exponent"""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise SpecError(f"lr is {self.lr}; use a number above 0.")
        if not -1 <= self.lr_exponent <= 1:
            raise SpecError(f"lr_exponent is {self.lr_exponent}; use a number from -1 to 1.")


def rated(before: MethodDefaults | None, lr: float | None) -> MethodDefaults | None:
    """What is said of a method, with a rate that a person gave, which holds at every budget.

    Args:
        lr: None leaves the rate as it was; where there was none, nobody gives one.
    """
    return before if lr is None else MethodDefaults(lr, before.fields if before else {})


@dataclass(frozen=True)
class Preset:
    """One recipe of the DreamBooth task."""

    task: Literal["dreambooth"]
    backbone: str
    name: str
    title: str
    source: str
    lora_ranks: float
    """default budget, in units of the backbone's LoRA rank 1"""
    shared: SharedDefaults
    training: TrainingDefaults
    methods: dict[str, MethodDefaults]

    def __post_init__(self) -> None:
        if not self.lora_ranks > 0:
            raise SpecError(f"lora_ranks is {self.lora_ranks}; use a number above 0.")
        for name in self.methods:
            method_named(name)
        _check_shared(self.shared)

    def method(self, name: str) -> MethodDefaults:
        """Defaults of one method.

        Raises:
            SpecError: this preset has no learning rate for it.
        """
        return _defaults(self.name, self.methods, name)


@dataclass(frozen=True, kw_only=True)
class OfDataset:
    """What a recipe says of one data set, in place of what it says of all."""

    lr: float | None = None
    """of the recipe's first method and of all that share its rate"""
    weight_decay: float | None = None
    """of the head, and of every method for which the recipe names one"""
    shared: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    """settings of methods, by name"""
    reproduces: str = ""


@dataclass(frozen=True)
class ClassesPreset:
    """One recipe of the few-shot task."""

    task: Literal["fewshot"]
    backbone: str
    name: str
    title: str
    source: str
    lora_ranks: float
    """default budget, in units of LoRA rank 1 on the backbone's targets"""
    shared: ClassesDefaults
    training: ClassTrainingDefaults
    methods: dict[str, MethodDefaults]
    reproduces: str = ""
    """what a published recipe gave, to compare with; empty: it is this project's own"""
    datasets: dict[str, OfDataset] = field(default_factory=dict)
    """what differs from set to set, by the name of a published set; vtab/* for all of VTAB"""

    def __post_init__(self) -> None:
        if not self.lora_ranks > 0:
            raise SpecError(f"lora_ranks is {self.lora_ranks}; use a number above 0.")
        for name in self.methods:
            method_named(name)

    def method(self, name: str) -> MethodDefaults:
        """Defaults of one method.

        Raises:
            SpecError: this preset has no learning rate for it.
        """
        return _defaults(self.name, self.methods, name)

    def of(self, dataset: str) -> "ClassesPreset":
        """The recipe as it is for a data set: itself where it says nothing of that set.

        Raises:
            SpecError: what it says of the set is wrong.
        """
        group = f"{dataset.partition('/')[0]}/*"
        changes = [self.datasets[name] for name in (group, dataset) if name in self.datasets]
        table = tables.table(self) | {"datasets": {}}
        for own in changes:
            _change(table, own)
        where = f"preset {self.name}, [datasets] of {dataset!r}"
        return tables.build(ClassesPreset, table, where) if changes else self


def _change(table: dict[str, Any], own: OfDataset) -> None:
    """Put what a recipe says of a data set into the table of the recipe."""
    table["shared"] |= own.shared
    table["training"] |= own.training
    table["reproduces"] = own.reproduces or table["reproduces"]
    if own.weight_decay is not None:
        table["training"]["head_weight_decay"] = own.weight_decay
    first = next(iter(table["methods"].values()))["lr"]
    for name, method in table["methods"].items():
        if own.lr is not None and method["lr"] == first:
            method["lr"] = own.lr
        if own.weight_decay is not None and "weight_decay" in method["fields"]:
            method["fields"]["weight_decay"] = own.weight_decay
        method["fields"] |= own.fields.get(name, {})


AnyPreset = Preset | ClassesPreset
P = TypeVar("P", bound=AnyPreset)


def changed(preset: P, methods: Mapping[str, MethodDefaults]) -> P:
    """The preset with these in place of what it says of them; its name tells if they differ."""
    if all(preset.methods.get(name) == ours for name, ours in methods.items()):
        return preset
    return replace(preset, name=preset.name + CHANGED, methods={**preset.methods, **methods})


_TASKS: dict[str, type[AnyPreset]] = {"dreambooth": Preset, "fewshot": ClassesPreset}


def _defaults(preset: str, methods: dict[str, MethodDefaults], name: str) -> MethodDefaults:
    if name not in methods:
        raise SpecError(
            f"preset {preset!r} has no learning rate for {name}; it has one for "
            f"{', '.join(sorted(methods))}. Give one with --set {name}.lr=NUMBER, leave {name} out "
            f"of --methods, or add [methods.{name}] to a preset file of your own."
        )
    return methods[name]


def all_presets() -> list[AnyPreset]:
    """Every preset of the project, by file name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.toml"))]


@overload
def preset(name: str, task: Literal["dreambooth"], backbone: str) -> Preset: ...
@overload
def preset(name: str, task: Literal["fewshot"], backbone: str) -> ClassesPreset: ...
@overload
def preset(name: str, task: str, backbone: str) -> AnyPreset: ...
def preset(name: str, task: str, backbone: str) -> AnyPreset:
    """The preset of that name for a task and a backbone family, or the one in a TOML file.

    Raises:
        SpecError: there is none, or the file has an unknown or wrong setting.
    """
    if name.endswith(SUFFIX):
        return _of_a_person(Path(name), task, backbone)
    fitting = {p.name: p for p in all_presets() if (p.task, p.backbone) == (task, backbone)}
    if name in fitting:
        return fitting[name]
    guess = tables.nearest(name, fitting)
    hint = f" Did you mean {guess!r}?" if guess else ""
    raise SpecError(
        f"unknown preset {name!r}.{hint} For {task} on {backbone}: {', '.join(fitting)}, "
        f"or a file of your own whose name ends in {SUFFIX}."
    )


def _of_a_person(path: Path, task: str, backbone: str) -> AnyPreset:
    if not path.is_file():
        raise SpecError(
            f"--preset {path} does not exist. Name a file such as those in {FOLDER}, or a preset "
            "that `presets` lists."
        )
    found = _read(path)
    if (found.task, found.backbone) != (task, backbone):
        raise SpecError(
            f"--preset {path} is for {found.task} on {found.backbone}; "
            f"this is {task} on {backbone}. Copy one of {FOLDER} that is for it."
        )
    # What a result says of its preset must not be taken for one that comes with the project.
    return replace(found, name=path.name)


def _read(path: Path) -> AnyPreset:
    status = path.stat()
    return _as_it_is(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)  # the page asks at every change of its forms
def _as_it_is(path: Path, _modified: int, _size: int) -> AnyPreset:
    table = tables.read_toml(path)
    task = table.get("task")
    if task not in _TASKS:
        raise SpecError(f"{path}.task is {task!r}; expected one of {', '.join(_TASKS)}.")
    return tables.build(_TASKS[task], table, str(path))


def _check_shared(shared: SharedDefaults) -> None:
    counts = {"sampling.steps": shared.sampling.steps}
    if shared.prior is not None:
        counts |= {"prior.pictures": shared.prior.pictures, "prior.batch": shared.prior.batch}
    for name, count in counts.items():
        if count < 1:
            raise SpecError(f"shared.{name} is {count}; use 1 or more.")
    side, seeds = shared.resolution, list(shared.seeds)
    if side < 1 or side % LATENT_PIXELS:
        raise SpecError(f"shared.resolution is {side}; use a multiple of {LATENT_PIXELS}.")
    if not seeds or len(set(seeds)) != len(seeds):
        raise SpecError(f"shared.seeds is {seeds}; name one or more, each once.")
    if not all(0 <= seed <= MOST_SEED for seed in seeds):
        raise SpecError(f"shared.seeds is {seeds}; use 0 to {MOST_SEED}.")
