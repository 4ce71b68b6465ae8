"""The rows of a few-shot comparison: one a method or reference, with its trainings inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparse_peft.comparison import REPORT, ClassesOutcome, RunOutcome
from sparse_peft.errors import RunError
from sparse_peft.measure.classes import (
    Classified,
    Prepared,
    confusion,
    metrics,
    most_confused,
    read_run,
)
from sparse_peft.metrics import answers as said
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ZERO_SHOT
from sparse_peft.underway import Underway

MOST_CLASSES = 100  # with more, the whole confusion matrix is left to predictions.csv
NOTHING = {"active": 0, "stored": 0, "support": 0, "estimated": False}
REFERENCES = {  # label, family, source
    ZERO_SHOT: ("Zero-shot", "base", "Radford et al. 2021, arXiv:2103.00020"),
    LINEAR_PROBE: ("Linear probe", "full", "Radford et al. 2021, arXiv:2103.00020, section 3.2"),
}
AT_WORK = ("queued", "running")  # a report there is of an earlier attempt, stopped early
# What is true of a row when some of its trainings are in different states: the first one found.
STATES = ("running", "queued", "failed", "interrupted", "cancelled", "finished")

Table = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ClassRow:
    """A row of `runs`, and what it said by seed where that can be measured."""

    value: Table
    said: Mapping[int, Classified]


def reference_row(name: str, outcome: ClassesOutcome, prepared: Prepared | None) -> ClassRow:
    """Zero-shot or the linear probe, as the prepare run left them."""
    label, family, source = REFERENCES[name]
    found = prepared.references[name] if prepared else {}
    about = {
        "id": name, "method": name, "label": label, "family": family, "source": source,
        "knob": None, "over_budget": False, "budget": None, "fields": None, "footprint": NOTHING,
    }  # fmt: skip
    runs = [_reference_run(name, seed, outcome, found.get(seed)) for seed in outcome.seeds]
    return ClassRow(about | _measured(runs, found, outcome), found)


def trained_row(
    runs: Sequence[RunOutcome], outcome: ClassesOutcome, prepared: Prepared | None
) -> ClassRow:
    """A method with its trainings, one a seed."""
    first = runs[0]
    found: dict[int, Classified] = {}
    entries: list[Table] = []
    told: Table = {}
    for run in runs:
        seed, one, error = run.settings["seed"], None, run.error
        if prepared and run.state not in AT_WORK and (run.folder / REPORT).is_file():
            try:
                one = read_run(run.folder, seed, outcome, prepared)
            except RunError as damage:
                error = str(damage)
        if one:
            found[seed], told = one, told or one.report
        entries.append(_trained_run(run, error, one))
    about = {
        "id": first.method, "method": first.method, "label": first.label, "family": first.family,
        "source": first.source, "knob": told.get("knob", first.knob),
        "over_budget": told.get("over_budget", first.over_budget),
        "budget": told.get("budget", outcome.budget), "fields": told.get("fields"),
        "footprint": told.get("footprint", first.footprint and dict(first.footprint)),
    }  # fmt: skip
    return ClassRow(about | _measured(entries, found, outcome), found)


def _measured(
    runs: Sequence[Table], found: Mapping[int, Classified], outcome: ClassesOutcome
) -> Table:
    """What a row says of its trainings together."""
    row = tuple(found.values())
    counts = confusion(row, len(outcome.classes)) if row else None
    errors = [f"Seed {run['seed']}: {run['error']}" for run in runs if run["error"]]
    states = {run["state"] for run in runs}
    state = next(state for state in STATES if state in states)
    if state == "queued" and len(states) > 1:
        state = "running"  # some have ended, the others wait for their turn
    whole = counts is not None and len(outcome.classes) <= MOST_CLASSES
    return {
        "state": state,
        "error": errors[0] if errors else None,
        "seeds": [run["seed"] for run in runs],
        "runs": list(runs),
        "metrics": metrics(row, outcome),
        "confusion": counts.tolist() if counts is not None and whole else None,
        "most_confused": most_confused(counts) if counts is not None else [],
        "history": _history(runs),
    }


def _reference_run(name: str, seed: int, outcome: ClassesOutcome, one: Classified | None) -> Table:
    run = f"{name}-s{seed}"
    folder = outcome.prepare / "classifiers"
    own = next((each for each in (run, name) if one and (folder / each).is_dir()), None)
    return {
        **dict.fromkeys(_EMPTY),
        "id": run,
        "seed": seed,
        "state": outcome.prepare_state,
        "error": outcome.prepare_error,
        "settings": {"seed": seed},
        "adapter": own and f"classifiers/{own}",
        "seconds": one.report.get("seconds") if one else None,
        "attempts": 1 if one else 0,
        "losses": [],
        "history": [],
        "accuracy": said.accuracy(one.answers) if one else None,
        "command": outcome.command,
    }


_EMPTY = ("run", "preset_steps", "adapter_bytes", "step_ms", "peak_mib", "beside", "stopped_at",
          "ended_at", "step", "saved", "stage", "change", "change_target")  # fmt: skip


def _trained_run(run: RunOutcome, error: str | None, one: Classified | None) -> Table:
    told: Mapping[str, Any] = one.report if one else {}
    left = Underway.read(run.folder)
    same = ("adapter_bytes", "seconds", "step_ms", "peak_mib", "beside", "stopped_at", "ended_at",
            "change_target")  # fmt: skip
    accuracies = dict(left.evaluations) | {
        row["step"]: row["accuracy"] for row in told.get("history", [])
    }
    return {
        "id": run.id,
        "seed": run.settings["seed"],
        "run": run.run,
        "state": run.state,
        "error": error,
        "settings": {**run.settings, **told.get("settings", {})},
        "preset_steps": run.preset_steps,
        "adapter": f"adapters/{run.id}" if (run.folder / "adapter").is_dir() and one else None,
        "attempts": run.attempts,
        **{key: told.get(key) for key in same},
        "step": left.step,
        "saved": left.saved,
        "stage": left.stage if run.state == "running" else None,
        "losses": told.get("losses") or [list(pair) for pair in left.losses],
        "history": [{"step": step, "accuracy": accuracies[step]} for step in sorted(accuracies)],
        "accuracy": said.accuracy(one.answers) if one else None,
        "change": f"changes/{run.id}.png" if told.get("change") else None,
        "command": run.command,
    }


def _history(runs: Sequence[Table]) -> list[Table]:
    """Mean accuracy by step over the trainings that have come as far as the furthest one."""
    ends = [run["history"][-1]["step"] if run["history"] else 0 for run in runs]
    furthest = [run for run, end in zip(runs, ends, strict=True) if end and end == max(ends)]
    steps: dict[int, list[float]] = {}
    for run in furthest:
        for row in run["history"]:
            steps.setdefault(row["step"], []).append(row["accuracy"])
    return [
        {"step": step, "accuracy": sum(values) / len(values), "seeds": len(values)}
        for step, values in sorted(steps.items())
    ]
