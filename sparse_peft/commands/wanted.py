"""What a `compare` command asks for, whatever its task."""

from dataclasses import dataclass

from sparse_peft.data.findings import Finding
from sparse_peft.planning import AnyPlan
from sparse_peft.runs.spec import ComparisonSpec, RunSpec


@dataclass(frozen=True)
class Wanted:
    """A comparison that was asked for, not yet in the store."""

    spec: ComparisonSpec
    runs: list[RunSpec]
    plan: AnyPlan
    says: tuple[str | Finding, ...]
    """what a person should read before it begins"""


def method_names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
