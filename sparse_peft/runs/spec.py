"""What a run and a comparison are made of, as they stand in run.json and comparison.json."""

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from sparse_peft import files, tables
from sparse_peft.errors import SpecError

FORMAT = 1
Kind = Literal["prepare", "train", "generate", "classify", "merge", "probe"]
State = Literal["queued", "running", "finished", "cancelled", "failed", "interrupted"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no letter looks like a digit
_TIME_LETTERS = 10  # microseconds since the epoch below, for 35 years
_RANDOM_LETTERS = 4
_EPOCH_NS = 1_704_067_200 * 10**9  # 2024-01-01


def new_id() -> str:
    """A name for a run or a comparison: short, random, and later ones sort later."""
    microseconds = (time.time_ns() - _EPOCH_NS) // 1000
    letters = [_ALPHABET[(microseconds >> 5 * i) & 31] for i in reversed(range(_TIME_LETTERS))]
    return "".join(letters + [secrets.choice(_ALPHABET) for _ in range(_RANDOM_LETTERS)])


def inside(name: str) -> bool:
    """Whether a relative name stays inside the folder that it is joined to."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name


@dataclass(frozen=True)
class Input:
    """A file that a run reads."""

    name: str
    """where it stands below the run's inputs/"""
    path: str
    """where it comes from, relative to the home folder"""
    sha256: str
    """what it must be"""

    def __post_init__(self) -> None:
        for text in (self.name, self.path):
            if not inside(text):
                raise SpecError(f"{text!r} is not a name inside a folder")


@dataclass(frozen=True)
class RunSpec:
    """One piece of heavy work, as it was asked for; it never changes."""

    id: str
    kind: Kind
    owner: str
    comparison: str | None
    """None for a run that stands alone, such as a probe"""
    settings: dict[str, Any] = field(default_factory=dict)
    """what the kind of run reads; JSON values"""
    inputs: tuple[Input, ...] = ()
    needs: tuple[str, ...] = ()
    """runs that must have finished; their outputs become inputs under the same names"""
    format: int = FORMAT
    task: str = "dreambooth"
    """what is learned: kinds of run may do their work differently for each task"""

    def __post_init__(self) -> None:
        _check_names(self.id, self.comparison or self.id, *self.needs)


@dataclass(frozen=True)
class ComparisonSpec:
    """What the runs of a comparison have in common, as it was asked for; it never changes."""

    id: str
    owner: str
    settings: dict[str, Any] = field(default_factory=dict)
    """task, backbone, dataset, prompts, seeds, budget; JSON values"""
    format: int = FORMAT

    def __post_init__(self) -> None:
        _check_names(self.id)


def write_spec(path: Path, spec: RunSpec | ComparisonSpec) -> None:
    """Write run.json or comparison.json, whole or not at all."""
    files.write_json(path, tables.table(spec))


def read_run_spec(path: Path) -> RunSpec:
    """The spec in a run.json."""
    return tables.build(RunSpec, _readable(path), str(path))


def read_comparison_spec(path: Path) -> ComparisonSpec:
    """The spec in a comparison.json."""
    return tables.build(ComparisonSpec, _readable(path), str(path))


def _readable(path: Path) -> dict[str, Any]:
    table = tables.read_json(path)
    if table.get("format") != FORMAT:  # said first: a newer format may hold unknown settings
        raise SpecError(
            f"{path} has format {table.get('format')!r}; this version reads format {FORMAT}. "
            "Use the version of Sparse PEFT Studio that wrote it, or a newer one."
        )
    return table


def _check_names(*names: str) -> None:
    for name in names:
        if not inside(name) or "/" in name or name.startswith("."):
            raise SpecError(f"{name!r} is not an id")
