"""What the runs of a comparison are at, in sentences, each with the buttons that go on from it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sparse_peft.report import words
from sparse_peft.report.classes.words import REFERENCES
from sparse_peft.report.columns import Column, columns
from sparse_peft.report.marks import Identity, identities
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch.watching import Live

FIRST_LOAD = "first time about 10 s"
STOPS = (("Stop and keep what it learned", True), ("Stop and discard", False))

Ask = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One sentence about one run."""

    label: str
    look: Identity
    text: str
    buttons: tuple[tuple[str, Ask], ...] = ()
    """words, and what a click asks the page for"""
    stops: tuple[tuple[str, Ask], ...] = ()
    """ways to stop it"""
    elapsed: float | None = None
    """seconds since what the text says began"""
    kind: Literal["plain", "note", "error"] = "plain"
    """a note has a bar, an error a frame"""


class Trained(NamedTuple):
    """One method with its training runs, as comparison.json has them."""

    look: Identity
    runs: Sequence[tuple[str, Mapping[str, Any]]]
    """each with what it is called"""


def lines(opened: Opened) -> list[Line]:
    """A line for each run of which there is something to say, the shared ones first."""
    base = identities([("base", "base")])["base"]
    trained = [Trained(one.look, _named(one)) for one in columns(opened.comparison)[1:]]
    return lines_of(opened, ("Base", base), trained)


def _named(column: Column) -> list[tuple[str, Mapping[str, Any]]]:
    several = len(column.runs) > 1
    return [
        (f"{column.label}, run {number}" if several else column.label, run)
        for number, run in enumerate(column.runs, 1)
    ]


def lines_of(
    opened: Opened, shared: tuple[str, Identity], trained: Sequence[Trained]
) -> list[Line]:
    """The same for any task.

    Args:
        shared: what the run that all wait for makes.
    """
    prepares = [opened.runs[name] for name in opened.prepares if name in opened.runs]
    found = [_line(opened, *shared, run, None) for run in prepares if run.state != "finished"]
    if found:
        return [line for line in found if line]  # the others wait for it, or fell with it
    working = any(run.state == "running" for run in opened.runs.values())
    for column in trained:
        for label, entry in column.runs:
            run = opened.runs.get(entry["run"])
            if working and run and run.state == "queued":
                continue  # its turn comes
            found.append(_line(opened, label, column.look, run, entry))
    return [line for line in found if line]


def _line(
    opened: Opened, label: str, look: Identity, run: Live | None, entry: Mapping[str, Any] | None
) -> Line | None:
    if run is not None and run.state == "queued":
        return Line(label, look, _waiting(opened, run))
    if run is not None and run.state == "running":
        return _working(label, look, run)
    if run is not None and run.state == "interrupted":
        return Line(label, look, _interrupted(run), (_resume(run),), kind="note")
    if run is not None and run.state == "failed":
        return _failed(opened, label, look, run, entry)
    if entry is None:
        return Line(label, look, f"Stopped before {_first(opened)}.", (_again(opened),))
    if entry.get("unchanged"):
        text = (
            f"Check: {label}'s pictures equal the base's. Its budget or learning rate may be too "
            "small here."
        )
        return Line(label, look, text, kind="note")
    said = words.state(entry)
    return Line(label, look, said, kind="note") if said else None


def _first(opened: Opened) -> str:
    """What the shared run is there for."""
    if opened.subject:
        return "the base's pictures were drawn"
    return f"{REFERENCES[opened.comparison['reference']]} was measured"


def _waiting(opened: Opened, run: Live) -> str:
    """The queue before a whole comparison; a run of one that works waits for its own ones."""
    mine = [one for one in opened.standing if one.comparison == run.comparison]
    if not mine or mine[0].state != "waiting":
        return "Waiting for the runs before it."
    if not mine[0].ahead:
        return "Waiting: it is next."
    seconds = mine[0].ahead_seconds
    price = f", about {words.duration(seconds)}" if seconds else ""
    count = f"{mine[0].ahead} run{'s' if mine[0].ahead > 1 else ''}"
    return f"Waiting: {count} before this one{price}."


def _working(label: str, look: Identity, run: Live) -> Line:
    if run.stopping:
        return Line(label, look, "Stopping after this step.")
    stops = tuple((text, {"do": "stop", "run": run.id, "keep": keep}) for text, keep in STOPS)
    if run.kind == "prepare":  # half of it is of no use
        stops = (("Stop", {"do": "stop", "run": run.id, "keep": False}),)
    stage = run.stage or "Starting"
    loading = f" ({FIRST_LOAD})" if stage == "Loading the backbone" else ""
    elapsed = None if stage == "Training" else run.stage_seconds
    return Line(label, look, stage + (loading or "."), stops=stops, elapsed=elapsed)


def _interrupted(run: Live) -> str:
    if run.kind != "train":
        return "Interrupted: its process ended."
    saved = f" Saved up to step {run.saved}." if run.saved else " Nothing was saved yet."
    return f"Interrupted at step {run.step}: its process ended.{saved}"


def _failed(
    opened: Opened, label: str, look: Identity, run: Live, entry: Mapping[str, Any] | None
) -> Line:
    error = run.error or "its process ended with an error."
    if entry and (infinite := re.search(r"At step (\d+) .* is not a finite number", error)):
        half = rate(entry["settings"]["lr"] / 2)
        text = (
            f"Stopped: the loss became infinite at step {infinite[1]}. "
            f"Halve the learning rate ({half}) and run again."
        )
        ask = {"do": "halve", "run": run.id}
        return Line(label, look, text, (("Halve it and run again", ask),), kind="error")
    if error.startswith("The memory did not suffice"):
        where = "the card" if run.device.startswith("cuda") else "this computer"
        text = f"Stopped: {where} ran out of memory. It is free again."
        ask = {"do": "again", "comparison": opened.id}
        return Line(label, look, text, (("Save memory and run again", ask),), kind="error")
    return Line(label, look, f"Stopped: {error}", (_again(opened),), kind="error")


def rate(value: float) -> str:
    """A learning rate as people write it: 1.5e-4."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _resume(run: Live) -> tuple[str, Ask]:
    return "Resume", {"do": "resume", "run": run.id}


def _again(opened: Opened) -> tuple[str, Ask]:
    return "Run again with changes", {"do": "again", "comparison": opened.id}
