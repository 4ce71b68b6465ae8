"""Presets: complete recipes, keyed by task, backbone family and name, one TOML file each."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sparse_peft import tables
from sparse_peft.errors import SpecError
from sparse_peft.tasks.recipe import PriorSettings, SamplingSettings

FOLDER = Path(__file__).parents[1] / "presets"


@dataclass(frozen=True)
class SharedDefaults:
    """What a preset says about a whole comparison."""

    judge: str | None
    targets: Literal["attention", "attention+ff"]
    precision: Literal["fp32", "bf16"]
    resolution: int
    seeds: tuple[int, ...]
    sampling: SamplingSettings
    prior: PriorSettings | None = None


@dataclass(frozen=True)
class TrainingDefaults:
    """What a preset says about training, the same for all methods."""

    steps: int
    batch_size: int = 1
    accumulation: int = 1
    max_grad_norm: float | None = 1.0
    schedule: Literal["constant", "cosine"] = "constant"
    snr_gamma: float | None = None
    sample_every: int = 100
    checkpoint_every: int = 50


@dataclass(frozen=True)
class MethodDefaults:
    """What a preset says about one method."""

    lr: float
    fields: dict[str, int | float | str | bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """One recipe."""

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

    def method(self, name: str) -> MethodDefaults:
        """Defaults of one method.

        Raises:
            SpecError: this preset has no learning rate for it.
        """
        if name not in self.methods:
            raise SpecError(
                f"preset {self.name!r} has no learning rate for {name}; "
                f"it has one for {', '.join(sorted(self.methods))}"
            )
        return self.methods[name]


def all_presets() -> list[Preset]:
    """Every preset of the project, by file name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.toml"))]


def preset(name: str, task: str, backbone: str) -> Preset:
    """The preset of that name for a task and a backbone family, or the one in a TOML file.

    Raises:
        SpecError: there is none, or the file has an unknown or wrong setting.
    """
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise SpecError(f"--preset {name}: no such file")
        return _read(Path(name))
    fitting = {p.name: p for p in all_presets() if (p.task, p.backbone) == (task, backbone)}
    if name in fitting:
        return fitting[name]
    guess = tables.nearest(name, fitting)
    hint = f" Did you mean {guess!r}?" if guess else ""
    raise SpecError(
        f"unknown preset {name!r}.{hint} For {task} on {backbone}: {', '.join(fitting)}, "
        "or a TOML file."
    )


def _read(path: Path) -> Preset:
    return tables.build(Preset, tables.read_toml(path), str(path))
