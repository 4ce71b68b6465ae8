"""`runs`, `resume` and `cancel`, on a home whose runner is held back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.files import Lock
from sparse_peft.planning import ComparisonPlan
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from tests.planned import submit

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home in which nothing is started: the test holds the runner's lock."""
    with Lock(runner_lock_path(tmp_path / "home")):
        yield tmp_path / "home"


@pytest.fixture
def content(home: Path) -> ComparisonPlan:
    return submit(home.parent, methods=("lora", "so"))[2]


def state(home: Path, run: str) -> str:
    with Store(home) as store:
        return store.run(run).state


def test_an_empty_home_says_so(home: Path, capsys: Capture) -> None:
    assert main(["runs", "--home", str(home)]) == 0
    assert capsys.readouterr().out == f"There are no runs in {home}.\n"


def test_runs_are_listed_in_order_with_their_state_and_why(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    with Store(home) as store:
        store.end(content.runs[0].run, "failed", error="It broke.")
        store.end(content.runs[1].run, "interrupted", note="Its worker is gone.")
    assert main(["runs", "--home", str(home)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[1:3] for line in lines] == [
        ["prepare", "queued"],
        ["train", "failed"],
        ["train", "interrupted"],
    ]
    assert [line[0] for line in lines] == [content.prepare, *(run.run for run in content.runs)]
    assert lines[1][4:] == ["It", "broke."]
    assert lines[2][4:] == ["Its", "worker", "is", "gone."]


def test_cancel_takes_a_waiting_run_away_and_resume_puts_it_back(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    run = content.runs[0].run
    assert main(["cancel", run, "--home", str(home)]) == 0
    assert state(home, run) == "cancelled"
    assert RunDirectory.of(home, run).cancel_requested() == "keep"
    assert main(["resume", run, "--home", str(home)]) == 0
    assert state(home, run) == "queued"
    assert RunDirectory.of(home, run).cancel_requested() is None
    assert f"{run} is queued" in capsys.readouterr().out


def test_a_discarded_run_cannot_be_resumed(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    run = content.runs[0].run
    assert main(["cancel", run, "--discard", "--home", str(home)]) == 0
    assert main(["resume", run, "--home", str(home)]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"error: Run {run} was discarded and cannot be resumed. Start a new comparison.\n"
    )


@pytest.mark.parametrize("command", ["resume", "cancel"])
def test_a_run_that_is_not_there_is_refused_in_words(
    home: Path, content: ComparisonPlan, capsys: Capture, command: str
) -> None:
    typed = content.prepare[:-1] + "u"
    assert main([command, typed, "--home", str(home)]) == 2
    assert capsys.readouterr().err.startswith(f"error: There is no run {typed!r} in {home}.")


def test_what_has_ended_or_waits_is_left_alone(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    with Store(home) as store:
        store.end(content.prepare, "finished")
    assert main(["cancel", content.prepare, "--home", str(home)]) == 2
    assert "is finished; there is nothing to cancel." in capsys.readouterr().err
    assert main(["resume", content.runs[0].run, "--home", str(home)]) == 2
    assert "is queued; there is nothing to resume." in capsys.readouterr().err
