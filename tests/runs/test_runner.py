"""The runner claims, launches, adopts and writes ends; workers are real processes."""

import os
import signal
import sqlite3
import sys
import time

import pytest

from sparse_peft.files import Lock
from sparse_peft.runs.launchers.local import device_lock_path
from sparse_peft.runs.runner import TERM_SECONDS, runner_lock_path
from sparse_peft.runs.spec import Input, RunSpec, new_id

from .conftest import Home, wait_until
from .fake_worker import chain_of


def test_a_prepare_and_two_trainings_finish(home: Home) -> None:
    (prepare,) = home.submit(kind="prepare", steps=2)
    trains = home.submit(2, needs=(prepare,), steps=20)
    said = home.serve()
    assert [home.row(run).state for run in (prepare, *trains)] == ["finished"] * 3
    assert f"{prepare}: prepare on cpu-0, attempt 1" in said
    for train in trains:
        report = home.directory(train).report()
        assert report is not None
        assert (report["chain"], report["shared"]) == (chain_of(20), "shared")
        assert home.kinds(train)[0] == "started"
        assert home.kinds(train)[-1] == "finished"
        assert (home.directory(train).inputs / "samples/base.txt").read_text() == "base"
        assert set(home.directory(train).outputs()) == {"report.json", "result.txt"}


def test_two_cpu_slots_work_side_by_side_and_say_so(home: Home) -> None:
    runs = home.submit(2, steps=60, dt=0.01)
    home.runner()
    for run in runs:
        home.wait_for_step(run, 1)
    assert {home.row(run).device for run in runs} == {"cpu-0", "cpu-1"}
    home.wait_for_state(runs[0], "finished")
    reports = [home.directory(run).report() for run in runs]
    wait_until(lambda: home.row(runs[1]).state == "finished")
    assert max(report["beside"] for report in reports if report) == 1


def test_one_slot_works_in_the_order_of_submission(home: Home) -> None:
    runs = home.submit(3, steps=3)
    said = home.serve("--cpu-slots", "1")
    assert [line.split(":")[0] for line in said.splitlines() if "attempt" in line] == runs


@pytest.mark.parametrize(
    ("how", "reason", "sentence"),
    [
        ("error", "error", "KeyError: 'a bug' The whole story is in log.txt."),
        ("user", "error", "3 of 6 pictures are too small."),
        (
            "not_finite",
            "not_finite",
            "At step 7 the loss is not a finite number (learning rate 0.1). "
            "Use a lower learning rate.",
        ),
        ("memory", "memory", "The memory did not suffice."),
        ("allocator", "memory", "can't allocate memory"),
        ("disk", "disk", "could not be written: File too large."),
        ("exit", "error", "The worker ended with exit status 7: last words"),
        ("crash", "error", "The worker crashed (SIGSEGV)"),
        pytest.param(
            *("realtime", "error", "The worker crashed (signal 40)"),
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no real-time signals"),
        ),
        ("full", "disk", "The disk is full or failing."),
    ],
)
def test_a_failed_run_says_why_and_the_queue_goes_on(
    home: Home, how: str, reason: str, sentence: str
) -> None:
    (failing,) = home.submit(steps=20, fail_at=7, how=how)
    (waiting,) = home.submit(needs=(failing,), steps=1)
    (next_one,) = home.submit(steps=1)
    home.serve("--cpu-slots", "1")
    row = home.row(failing)
    assert row.state == "failed"
    assert sentence in (row.error or "")
    last = home.directory(failing).events()[0][-1]
    assert (last["kind"], last["reason"], last["error"]) == ("failed", reason, row.error)
    assert home.row(next_one).state == "finished"
    assert home.row(waiting).state == "failed"
    assert home.row(waiting).error == f"Its train run {failing} failed: {row.error}"
    found, notes = home.directory(failing).load_checkpoint()
    assert found is not None, "the last good checkpoint is kept"
    assert (found[0], notes) == (5, [])
    if how == "error":
        assert "Traceback" in home.directory(failing).log.read_text()


def test_a_failed_run_is_resumed_with_those_that_fell_with_it(home: Home) -> None:
    (failing,) = home.submit(steps=20, fail_at=7, how="error")
    (waiting,) = home.submit(needs=(failing,), steps=1)
    home.serve()
    home.store.requeue(failing)
    home.serve()
    assert [home.row(run).state for run in (failing, waiting)] == ["finished"] * 2
    assert (home.row(failing).attempts, home.row(failing).error) == (2, None)
    report = home.directory(failing).report()
    assert report is not None
    assert report["chain"] == chain_of(20)
    assert home.steps(failing) == [*range(1, 7), *range(6, 21)]


def test_a_killed_worker_is_interrupted_and_resumed(home: Home) -> None:
    (run,) = home.submit(steps=30, gate=12)
    home.runner()
    home.wait_for_step(run, 12)
    home.signal_worker(run, signal.SIGKILL)
    home.wait_for_state(run, "interrupted")
    assert "SIGKILL" in (home.row(run).note or "")
    home.store.requeue(run)
    home.wait_for_state(run, "finished")
    report = home.directory(run).report()
    assert report is not None
    assert report["chain"] == chain_of(30)
    assert home.row(run).attempts == 2


def test_an_interrupted_run_is_resumed_by_itself_only_as_often_as_set(home: Home) -> None:
    (run,) = home.submit(steps=10_000, dt=0.01)
    home.runner("--resume-interrupted", "1")
    for attempt in (1, 2):
        wait_until(lambda attempt=attempt: home.directory(run).last_attempt() == attempt)  # type: ignore[misc]
        home.signal_worker(run, signal.SIGKILL)
    home.wait_for_state(run, "interrupted")
    assert home.row(run).attempts == 2


@pytest.mark.parametrize("stop", ["keep", "discard"])
def test_a_running_run_is_cancelled(home: Home, stop: str) -> None:
    (run,) = home.submit(steps=10_000, dt=0.01)
    (behind,) = home.submit(needs=(run,))
    home.runner()
    home.wait_for_step(run, 6)
    home.directory(run).request_cancel("keep" if stop == "keep" else "discard")
    home.wait_for_state(run, "cancelled")
    assert home.row(behind).state == "cancelled"
    assert home.row(behind).error == f"Its train run {run} was cancelled."
    last = home.directory(run).events()[0][-1]
    assert (last["kind"], last["kept"]) == ("cancelled", stop == "keep")
    names = {path.name for path in home.directory(run).path.iterdir()}
    results = {"report.json", "checkpoint", "manifest.json"}
    assert names & results == (results if stop == "keep" else set())


def test_a_run_cancelled_before_it_starts_never_starts(home: Home) -> None:
    (run,) = home.submit(steps=10)
    home.directory(run).request_cancel("keep")
    home.serve()
    assert home.row(run).state == "cancelled"
    assert home.kinds(run) == ["cancelled"]


def test_f2_a_stopped_worker_is_ended_by_force(home: Home) -> None:
    grace = 0.5
    (run,) = home.submit(steps=10_000, dt=0.01)
    home.runner("--grace-seconds", str(grace))
    home.wait_for_step(run, 6)
    found = home.signal_worker(run, signal.SIGSTOP)
    home.directory(run).request_cancel("keep")
    seconds = home.wait_for_state(run, "cancelled")
    # grace + 1 on an idle machine; the runner and this test may each wait for a busy core.
    assert grace + TERM_SECONDS <= seconds + 0.2
    assert seconds < grace + 10
    assert home.row(run).note == "It did not stop by itself and was ended by force."
    with pytest.raises(ProcessLookupError):
        os.kill(found.pid, 0)
    last = home.directory(run).events()[0][-1]
    assert (last["kind"], last["kept"], last["step"]) == ("cancelled", True, home.steps(run)[-1])


@pytest.mark.slow
def test_a_slow_worker_that_still_speaks_is_not_ended_by_force(home: Home) -> None:
    grace = 2.0
    (run,) = home.submit(steps=10_000, dt=0.01)
    home.runner("--grace-seconds", str(grace))
    home.wait_for_step(run, 1)
    found = home.signal_worker(run, signal.SIGSTOP)
    home.directory(run).request_cancel("keep")
    log = home.directory(run).path / "events.jsonl"
    for _ in range(12):
        time.sleep(grace / 8)
        with log.open("a") as file:  # as its worker would, drawing the last pictures
            file.write("{}\n")
    assert home.row(run).state == "running"
    os.kill(found.pid, signal.SIGCONT)
    home.wait_for_state(run, "cancelled")
    assert home.row(run).note is None


def test_f4_a_new_runner_adopts_the_run(home: Home) -> None:
    (run,) = home.submit(steps=80, dt=0.005, gate=60)
    first = home.runner()
    home.wait_for_step(run, 10)
    worker = home.worker_identity(run)
    first.kill()
    first.wait()
    home.wait_for_step(run, 60)
    second = home.runner()
    assert second.stdout is not None
    assert second.stdout.readline() == f"{run}: taken over\n"
    home.open_gate(run)
    home.wait_for_state(run, "finished")
    assert home.worker_identity(run) == worker
    assert home.row(run).attempts == 1
    assert home.steps(run) == list(range(1, 81))


def test_a_run_that_finished_without_a_runner_is_finished(home: Home) -> None:
    (run,) = home.submit(steps=30, gate=5)
    first = home.runner()
    home.wait_for_step(run, 5)
    first.kill()
    first.wait()
    home.open_gate(run)
    wait_until(lambda: not home.directory(run).locked())
    assert home.row(run).state == "running"
    home.serve()
    assert (home.row(run).state, home.row(run).attempts) == ("finished", 1)


def test_a_claimed_run_whose_worker_never_began_is_simply_queued_again(home: Home) -> None:
    (run,) = home.submit(steps=3)
    assert home.store.claim("cpu-0") is not None
    home.serve()
    assert (home.row(run).state, home.row(run).attempts) == ("finished", 1)


def test_f17_a_second_runner_is_refused(home: Home) -> None:
    first = home.runner()
    wait_until(lambda: Lock.held_elsewhere(runner_lock_path(home.path)))
    second = home.runner()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 3
    assert errors == f"Another runner serves {home.path} already; one does all its runs.\n"
    first.terminate()
    assert first.wait(60) == 0


def test_a_runner_told_to_stop_leaves_its_workers_at_work(home: Home) -> None:
    (run,) = home.submit(steps=40, gate=5)
    runner = home.runner()
    home.wait_for_step(run, 5)
    runner.terminate()
    assert runner.wait(60) == 0
    home.open_gate(run)
    wait_until(lambda: home.kinds(run)[-1] == "finished")


def test_a_device_that_someone_holds_is_left_alone(home: Home) -> None:
    (run,) = home.submit(steps=3)
    with Lock(device_lock_path(home.path, "cpu-0")):
        home.runner("--cpu-slots", "1", "--exit-when-idle")
        time.sleep(1.0)
        assert (home.row(run).state, home.row(run).attempts) == ("queued", 0)
    home.wait_for_state(run, "finished")


def test_an_input_that_changed_fails_the_run_in_words(home: Home) -> None:
    (home.path / "data/d1").mkdir(parents=True)
    (home.path / "data/d1/a.png").write_text("changed")
    item = Input("a.png", "data/d1/a.png", "0" * 64)
    run = RunSpec(new_id(), "train", "me", None, inputs=(item,))
    home.store.submit(None, [run])
    home.serve()
    assert home.row(run.id).error == (
        "The input data/d1/a.png is not what was submitted (sha256 differs)."
    )
    assert home.kinds(run.id) == ["failed"]


def test_f6_everything_killed_at_once_leaves_nothing_running(home: Home) -> None:
    runs = home.submit(4, steps=10_000, dt=0.01)
    runner = home.runner()
    for run in runs[:2]:
        home.wait_for_step(run, 6)
    os.kill(runner.pid, signal.SIGKILL)
    for run in runs[:2]:
        home.signal_worker(run, signal.SIGKILL)
    runner.wait()
    home.runner("--cpu-slots", "0")  # looks, and starts nothing
    for run in runs[:2]:
        home.wait_for_state(run, "interrupted")
    assert [home.row(run).state for run in runs[2:]] == ["queued"] * 2
    with sqlite3.connect(home.path / "studio.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
