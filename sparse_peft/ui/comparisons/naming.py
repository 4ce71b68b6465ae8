"""What a comparison is called: by its owner, else by its noun or classes and its budget."""

from pathlib import Path

from sparse_peft import files, tables
from sparse_peft.data.words.text import check_line
from sparse_peft.errors import SpecError
from sparse_peft.planning import AnyPlan, ComparisonPlan, read_plan
from sparse_peft.runs.store import Store

ABOUT = "about.json"  # beside comparison.json, which never changes
LONGEST_NAME = 80


def read(home: Path, comparison: str) -> str | None:
    """The name that its owner gave it; None if there is none."""
    path = home / "comparisons" / comparison / ABOUT
    if not path.is_file():
        return None
    name = tables.read_json(path).get("name")
    return name if isinstance(name, str) and name else None


def write(home: Path, comparison: str, name: str) -> None:
    """Give it a name; an empty one takes the name back.

    Raises:
        SpecError: it is too long.
        DataError: it is not one printable line.
    """
    name = name.strip()
    check_line(name, "The name")
    if len(name) > LONGEST_NAME:
        raise SpecError(f"The name has {len(name)} letters; use {LONGEST_NAME} at most.")
    files.write_json(home / "comparisons" / comparison / ABOUT, {"name": name})


def default(plan: AnyPlan) -> str:
    """What it is called until someone names it: "Cat, 139,776 values" or "10 classes, 4 shots"."""
    if not isinstance(plan, ComparisonPlan):
        classes, shots = len(plan.shared.classes), plan.shared.shots
        many = "all pictures" if shots is None else f"{shots} shot{'' if shots == 1 else 's'}"
        return f"{classes} classes, {many}, {plan.budget:,} values"
    noun = plan.shared.noun
    return f"{noun[:1].upper()}{noun[1:]}, {plan.budget:,} values"


def name_of(home: Path, comparison: str) -> str:
    """What it is called.

    Raises:
        RunError: there is no such comparison and it has no name.
    """
    name = read(home, comparison)
    if name is not None:
        return name
    with Store(home) as store:
        return default(read_plan(store.comparison(comparison)))
