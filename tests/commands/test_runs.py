"""`runs`, `resume` and `cancel`, on a home whose runner is held back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.commands import compare
from sparse_peft.commands.ending import stopped
from sparse_peft.commands.out_notes import remember
from sparse_peft.files import Lock
from sparse_peft.planning import ComparisonPlan
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.spec import RunSpec
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
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.split()[1:] == ["dreambooth", "on", content.subject]
    lines = [line.split() for line in rest]
    assert [line[1:3] for line in lines] == [
        ["prepare", "queued"],
        ["lora", "failed"],
        ["so", "interrupted"],
    ]
    assert [line[0] for line in lines] == [content.prepare, *(run.run for run in content.runs)]
    assert lines[1][3:] == ["It", "broke."]
    assert lines[2][3:] == ["Its", "worker", "is", "gone."]


def test_the_out_folder_a_new_prompt_and_a_long_reason_are_listed(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    with Store(home) as store:
        (comparison,) = store.comparisons()
        remember(home, Path("/results/cat"), comparison)
        store.end(content.runs[0].run, "failed", error="It broke again. " * 12)
        settings = {"prompt": "a {subject} in space"}
        store.submit(None, [RunSpec("g", "generate", "me", None, settings)])
        store.submit(None, [RunSpec("p", "probe", "me", None)])
    assert main(["runs", "--home", str(home)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{comparison}  dreambooth on {content.subject}, in /results/cat"
    assert all(len(line) <= 100 for line in lines)
    assert sum(line.count("broke") for line in lines) == 12
    assert [line.split() for line in lines[-2:]] == [
        ["g", "generate", "queued", "'a", "{subject}", "in", "space'"], ["p", "probe", "queued"],
    ]  # fmt: skip


def test_a_stopped_run_says_how_far_it_came(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    lora, so = (RunDirectory.of(home, run.run) for run in content.runs)
    lora.event_log(1).emit("step", step=1, loss=0.5)
    for name in ("lora", "so"):
        run = next(run.run for run in content.runs if run.id == name)
        assert main(["cancel", run, "--home", str(home), *(["--discard"] * (name == "so"))]) == 0
    assert stopped(lora) == "stopped at step 1 of 2"
    assert stopped(so) == "stopped before its first step, discarded"
    assert stopped(RunDirectory.of(home, content.prepare)) == "stopped"
    capsys.readouterr()
    main(["runs", "--home", str(home)])
    said = capsys.readouterr().out
    assert "cancelled   stopped at step 1 of 2\n" in said
    assert "cancelled   stopped before its first step, discarded\n" in said
    value = {"runs": [
        {"id": name, "run": run.path.name, "state": "cancelled", "error": None}
        for name, run in (("lora", lora), ("so", so))
    ]}  # fmt: skip
    assert compare._status(home, value) == 1
    assert "lora cancelled: stopped at step 1 of 2\n" in capsys.readouterr().err


def test_runs_of_a_comparison_that_cannot_be_read_are_listed(
    home: Path, content: ComparisonPlan, capsys: Capture
) -> None:
    with Store(home) as store:
        (comparison,) = store.comparisons()
    path = home / "comparisons" / comparison / "comparison.json"
    path.write_text(path.read_text().replace('"dreambooth"', '"portraits"'))
    assert main(["runs", "--home", str(home)]) == 0
    said = capsys.readouterr().out
    assert f"comparison {comparison} is of the unknown task 'portraits'." in said
    assert content.prepare in said


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
