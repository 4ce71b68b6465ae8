"""What a run has left so far, as its events tell it: pictures, losses, how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sparse_peft.runs.events import Event, newest
from sparse_peft.runs.run import RunDirectory

_SAMPLE = {"step": int, "prompt": int, "seed": int, "path": str}
_SCORES = ("subject", "prompt_score")


@dataclass(frozen=True)
class Underway:
    """A run before its report, or one that will never write it."""

    step: int | None = None
    """the last one that it told of"""
    saved: int | None = None
    """the step from which it can go on"""
    stage: str | None = None
    """what it was doing last"""
    losses: tuple[tuple[int, float], ...] = ()
    evaluations: tuple[tuple[int, float], ...] = ()
    """held-out accuracy by step, of a few-shot training"""
    rows: tuple[dict[str, Any], ...] = ()
    """pictures that are there, by step, prompt and seed; `path` is below the run's folder"""

    @classmethod
    def read(cls, folder: Path) -> "Underway":
        """What lies in a run's folder; of a discarded one nothing counts."""
        directory = RunDirectory(folder)
        if directory.cancel_requested() == "discard":
            return cls()
        events = newest(directory.events()[0])
        told = [event for event in events if event["kind"] == "step" and _is_step(event)]
        rows = [
            {key: event.get(key) for key in (*_SAMPLE, *_SCORES)}
            for event in events
            if event["kind"] == "sample" and _is_picture(event, folder)
        ]
        return cls(
            step=told[-1]["step"] if told else None,
            saved=_last(events, "checkpoint", "step"),
            stage=_last(events, "stage", "text"),
            losses=tuple(sorted((event["step"], event["loss"]) for event in told)),
            evaluations=_evaluations(events),
            rows=tuple(sorted(rows, key=lambda row: (row["step"], row["prompt"], row["seed"]))),
        )

    def samples(self, name: str) -> list[dict[str, Any]]:
        """Rows of `comparison.json` for pictures that belong to no step."""
        return [sample_row(row, name) for row in self.rows]

    def history(self, name: str) -> list[dict[str, Any]]:
        """Rows of `comparison.json` for pictures drawn on the way."""
        return [{"step": row["step"]} | sample_row(row, name) for row in self.rows]


def sample_row(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A picture with its path in a comparison, where the pictures of a run stand below its name."""
    path = PurePosixPath(row["path"]).relative_to("samples")
    path = PurePosixPath("samples", path if path.parts[0] == name else PurePosixPath(name, path))
    scores = {key: row[key] for key in _SCORES}
    return {"prompt": row["prompt"], "seed": row["seed"], "path": str(path), **scores}


def below_samples(name: str) -> bool:
    """Whether a path stays among a run's pictures."""
    path = PurePosixPath(name)
    return len(path.parts) > 1 and path.parts[0] == "samples" and ".." not in path.parts


def _is_step(event: Event) -> bool:
    return type(event.get("step")) is int and isinstance(event.get("loss"), (int, float))


def _evaluations(events: list[Event]) -> tuple[tuple[int, float], ...]:
    """Accuracies by step; of a step that two attempts tell of, the newer one's."""
    told = [event for event in events if event["kind"] == "evaluation" and _is_accuracy(event)]
    return tuple(sorted({event["step"]: event["accuracy"] for event in told}.items()))


def _is_accuracy(event: Event) -> bool:
    accuracy = event.get("accuracy")
    return type(event.get("step")) is int and isinstance(accuracy, float) and 0 <= accuracy <= 1


def _is_picture(event: Event, folder: Path) -> bool:
    typed = all(type(event.get(key)) is kind for key, kind in _SAMPLE.items())
    return typed and below_samples(event["path"]) and (folder / event["path"]).is_file()


def _last(events: list[Event], kind: str, key: str) -> Any:
    return next((event.get(key) for event in reversed(events) if event["kind"] == kind), None)
