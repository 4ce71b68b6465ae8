"""Comparisons that are stopped, killed, cancelled or fail on the way, as a person meets them."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from sparse_peft import files
from sparse_peft.runs import process
from sparse_peft.runs.run import RunDirectory
from tests.planned import write_preset
from tests.studio import PATIENCE_SECONDS, Studio

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(tmp_path_factory.mktemp("studio"))
    yield studio
    studio.end()


def no_step_twice(studio: Studio, run: str) -> None:
    """Each attempt begins behind the last checkpoint before it, and all steps are there."""
    steps = studio.events(run, "step")
    saved = studio.events(run, "checkpoint")
    attempts = sorted({event["attempt"] for event in steps})
    for earlier, later in itertools.pairwise(attempts):
        newest = max(event["step"] for event in saved if event["attempt"] <= earlier)
        first = min(event["step"] for event in steps if event["attempt"] == later)
        assert first == newest + 1
    assert {event["step"] for event in steps} == set(range(1, 61))


def test_ctrl_c_then_a_killed_worker_then_the_end(studio: Studio) -> None:
    command = studio.compare("long", "long.toml", "--methods=lora")
    known = len(studio.trainings())
    child = studio.start(*command)
    studio.when(lambda: len(studio.trainings()) > known, "the submission")
    run = studio.when_step(7)
    os.killpg(child.pid, signal.SIGINT)
    out, said = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, out) == (130, "")
    assert "The same command goes on from here.\nStopped.\n" in said
    assert "Traceback" not in said
    assert not (studio.root / "long").exists()
    assert studio.newest("train").state == "interrupted"

    child = studio.start(*command)
    assert studio.when_step(12, past=1) == run
    worker = process.read_identity(RunDirectory.of(studio.home, run).worker)
    assert worker is not None
    assert process.send_signal(worker, signal.SIGKILL)
    _, said = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 1, said
    assert "lora interrupted: Its worker was ended by SIGKILL." in said
    (entry,) = studio.value("long")["runs"]
    assert (entry["state"], entry["attempts"]) == ("interrupted", 2)
    assert entry["error"].startswith("Its worker was ended by SIGKILL.")
    assert len(studio.value("long")["base"]["samples"]) == 3
    files.verify_folder(studio.root / "long")

    done = studio.run(*command)
    assert done.returncode == 0, done.stderr
    (entry,) = studio.value("long")["runs"]
    assert (entry["state"], entry["attempts"], entry["error"]) == ("finished", 3, None)
    assert [step for step, _ in entry["losses"]] == list(range(1, 61))
    assert studio.newest("train").id == run
    no_step_twice(studio, run)


def test_cancel_keeps_or_discards_and_resume_goes_on(studio: Studio) -> None:
    command = studio.compare("two", "long.toml", "--methods=lora,so", "--seed=1")
    known = len(studio.trainings())
    child = studio.start(*command)
    studio.when(lambda: len(studio.trainings()) > known, "the submission")
    lora, so = (row.id for row in studio.trainings()[-2:])
    for run, how in ((lora, []), (so, ["--discard"])):
        studio.when(lambda run=run: len(studio.events(run, "step")) > 7, "step 7")
        assert studio.run("cancel", run, *how).returncode == 0
    _, said = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 1, said
    kept, gone = studio.value("two")["runs"]
    assert (kept["state"], gone["state"]) == ("cancelled", "cancelled")
    assert 7 < kept["stopped_at"] < 60
    assert len(kept["samples"]) == 3
    assert (studio.root / "two" / kept["adapter"] / "adapter.json").is_file()
    assert (gone["adapter"], gone["samples"], gone["seconds"]) == (None, [], None)

    done = studio.run("resume", so)
    assert done.returncode == 2
    assert f"Run {so} was discarded and cannot be resumed." in done.stderr
    assert studio.run("resume", lora).returncode == 0
    studio.when(lambda: studio.trainings()[-2].state == "finished", "the end of the resumed run")
    no_step_twice(studio, lora)
    done = studio.run(*command)
    assert done.returncode == 1, done.stderr
    states = {run["id"]: run["state"] for run in studio.value("two")["runs"]}
    assert states == {"lora": "finished", "so": "cancelled"}


def test_a_loss_that_is_not_finite_fails_alone_and_repeats_are_runs_of_their_own(
    studio: Studio,
) -> None:
    absurd = ("[methods.lora]\nlr = 1e-2", "[methods.lora]\nlr = 1e30")
    write_preset(studio.root / "wild.toml", absurd, ("sample_every = 1", "sample_every = 100"))
    command = studio.compare(
        "wild", "wild.toml", "--methods=lora,so", "--train-seeds=2", "--steps=3"
    )
    done = studio.run(*command)
    assert done.returncode == 1, done.stderr
    value = studio.value("wild")
    states = [(run["id"], run["state"], run["settings"]["seed"]) for run in value["runs"]]
    assert states == [
        ("lora", "failed", 0), ("so", "finished", 0),
        ("lora-2", "failed", 1000), ("so-2", "finished", 1000),
    ]  # fmt: skip
    words = "the loss is not a finite number (learning rate 1e+30). Use a lower learning rate."
    for run in value["runs"][::2]:
        assert words in run["error"]
        assert run["adapter"] is None
        assert f"{run['id']} failed: " in done.stderr
    first, second = value["runs"][1::2]
    assert first["losses"] != second["losses"]
    assert Counter(row.state for row in studio.trainings()[-4:]) == {"failed": 2, "finished": 2}
    files.verify_folder(studio.root / "wild")
