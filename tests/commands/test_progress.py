"""What is shown while runs are at work: bars on a terminal, lines in a log."""

import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from typing import Any

import pytest

from sparse_peft.commands.progress import Progress

Shown = tuple[str, dict[str, Any]]
LABELS = {"p": "base", "a": "lora"}


class Terminal(io.StringIO):
    """A text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def step(number: int) -> Shown:
    return "a", {"kind": "step", "step": number, "loss": 1 / number}


def state(run: str, name: str, error: str | None = None, note: str | None = None) -> Shown:
    return run, {"kind": "state", "state": name, "error": error, "note": note}


def follow(out: io.StringIO, *events: Shown, steps: int = 100) -> str:
    with redirect_stderr(out):
        Progress(LABELS, {"a": steps}).follow(events)
    return out.getvalue()


def test_a_log_gets_five_lines_of_a_long_training() -> None:
    said = follow(io.StringIO(), *(step(n) for n in range(1, 101)))
    lines = said.splitlines()
    assert len(lines) == 5
    assert lines[0] == "lora      step 20 of 100, loss 0.050"


def test_a_log_gets_every_step_of_a_short_training() -> None:
    said = follow(io.StringIO(), step(1), step(2), steps=2)
    assert said.count("\n") == 2


def test_stages_notes_and_ends_are_lines() -> None:
    said = follow(
        io.StringIO(),
        state("p", "queued"),
        ("p", {"kind": "stage", "text": "Loading the backbone", "done": 0, "of": 4}),
        ("a", {"kind": "note", "text": "A checkpoint was damaged."}),
        ("a", {"kind": "checkpoint", "step": 1}),
        state("p", "finished"),
        state("a", "failed", error="It broke."),
    )
    assert said.splitlines() == [
        "base      Loading the backbone",
        "lora      A checkpoint was damaged.",
        "base      finished",
        "lora      failed: It broke.",
    ]


def test_an_interrupted_run_says_what_is_known() -> None:
    said = follow(io.StringIO(), state("a", "interrupted", note="Its worker is gone."))
    assert said == "lora      interrupted: Its worker is gone.\n"


def test_runs_of_other_comparisons_are_not_shown() -> None:
    said = follow(io.StringIO(), state("z", "failed", error="Not ours."))
    assert said == ""


@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_what_is_waited_for_is_said(out: type[io.StringIO]) -> None:
    said = follow(
        out(),
        state("p", "queued"),
        ("c", {"kind": "waiting", "runs": 12}),
        ("c", {"kind": "waiting", "runs": 1}),
    )
    assert "Waiting for 12 other runs\n" in said
    assert "Waiting for 1 other run\n" in said


def test_a_terminal_gets_a_bar_for_each_run_that_is_full_at_the_end() -> None:
    said = follow(Terminal(), step(50), step(100), state("p", "finished"), state("a", "finished"))
    last = said.split("\r")
    assert any("base" in text and "1/1 " in text for text in last)
    assert any("lora" in text and "100/100 " in text and "finished" in text for text in last)


def test_a_note_stays_on_a_terminal() -> None:
    said = follow(Terminal(), ("a", {"kind": "note", "text": "A checkpoint was damaged."}), step(9))
    assert "lora      A checkpoint was damaged.\n" in said


def test_bars_are_closed_when_watching_ends_in_an_error() -> None:
    def events() -> Iterator[Shown]:
        yield step(1)
        raise KeyboardInterrupt

    with redirect_stderr(Terminal()):
        progress = Progress(LABELS, {"a": 2})
    with pytest.raises(KeyboardInterrupt):
        progress.follow(events())
    assert all(bar.disable for bar in progress._bars.values())
