"""What the command line does: have runs served, watch them, cancel them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs import client
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.spec import ComparisonSpec, RunSpec

from .conftest import RUNNER, Home, wait_until
from .fake_worker import chain_of

OPTIONS = ("--devices", "cpu", "--exit-when-idle")


def submit(home: Home, **settings: object) -> None:
    """A comparison c: prepare p, then trainings a and b."""
    specs = [RunSpec("p", "prepare", "me", "c", {"steps": 2})]
    specs += [RunSpec(name, "train", "me", "c", dict(settings), needs=("p",)) for name in "ab"]
    home.store.submit(ComparisonSpec("c", "me"), specs)


@pytest.fixture
def served(home: Home) -> Iterator[Home]:
    """A home whose detached runners end with the test: they end when idle."""
    yield home
    for row in home.store.runs():
        if row.state in ("queued", "running"):
            client.cancel(home.path, row.id, "discard")
    wait_until(lambda: not Lock.held_elsewhere(runner_lock_path(home.path)), "the runner's end")


def test_a_comparison_is_watched_to_its_end(served: Home) -> None:
    submit(served, steps=20, dt=0.005)
    seen: dict[str, list[str]] = {}
    for run_id, event in client.watch(served.path, "c", OPTIONS, RUNNER):
        state = event["state"] if event["kind"] == "state" else ""
        seen.setdefault(run_id, []).append(f"{event['kind']} {state}".strip())
    for run_id, steps in (("p", 2), ("a", 20), ("b", 20)):
        assert seen[run_id].count("step") == steps
        assert "finished" in seen[run_id]
        assert seen[run_id][0] == "state queued"
        assert "state finished" in seen[run_id]
    report = served.directory("a").report()
    assert report is not None
    assert report["chain"] == chain_of(20)


def test_a_runner_killed_while_watched_is_started_again(served: Home) -> None:
    submit(served, steps=20, gate=5)
    killed = False
    for run_id, event in client.watch(served.path, "c", OPTIONS, RUNNER):
        if event["kind"] == "step" and event["step"] == 5:
            if not killed:
                os.kill(_runner_pid(served), signal.SIGKILL)
                killed = True
            served.open_gate(run_id)
    assert killed
    ends = [(row.id, row.state, row.attempts) for row in served.store.runs("c")]
    assert ends == [(name, "finished", 1) for name in "pab"]


def _runner_pid(home: Home) -> int:
    """The process that has the runner's lock open."""
    lock = str(runner_lock_path(home.path))
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                files = [
                    os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")
                ]
            except OSError:
                continue
            if lock in files:
                return int(entry)
    raise AssertionError("no runner")


def test_watching_ends_when_only_an_interrupted_run_is_waited_for(served: Home) -> None:
    submit(served, steps=10_000, dt=0.01)
    for run_id, event in client.watch(served.path, "c", OPTIONS, RUNNER):
        if event["kind"] == "step" and event["step"] == 3 and run_id in "ab":
            served.signal_worker(run_id, signal.SIGKILL)
    assert [served.row(name).state for name in "ab"] == ["interrupted"] * 2


def test_one_runner_is_enough(served: Home) -> None:
    (run,) = served.submit(steps=10_000, dt=0.01)
    client.ensure_runner(served.path, OPTIONS, RUNNER)
    first = _runner_pid(served)
    client.ensure_runner(served.path, OPTIONS, RUNNER)
    assert _runner_pid(served) == first
    served.wait_for_step(run, 1)


def test_a_runner_that_cannot_start_says_why(home: Home) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no engine')")
    with pytest.raises(RunError, match="The runner ended with exit status 1: no engine"):
        client.ensure_runner(home.path, runner=broken)


def test_a_runner_that_keeps_ending_is_not_started_for_ever(home: Home) -> None:
    submit(home)
    idle = (sys.executable, "-c", "")
    with pytest.raises(RunError, match=r"The runner keeps ending; see .*runner\.log"):
        list(client.watch(home.path, "c", (), idle))


def test_cancelling_what_waits_is_done_at_once(home: Home) -> None:
    submit(home)
    client.cancel(home.path, "a", "discard")
    assert [home.row(name).state for name in "pab"] == ["queued", "cancelled", "queued"]
    with pytest.raises(RunError, match="Run a is cancelled; there is nothing to cancel"):
        client.cancel(home.path, "a")
    with pytest.raises(RunError, match="no run 'z'"):
        client.cancel(home.path, "z")


def test_cancelling_an_interrupted_run_discards_it(home: Home) -> None:
    (run,) = home.submit(steps=10_000, dt=0.01)
    home.runner()
    home.wait_for_step(run, 6)
    home.signal_worker(run, signal.SIGKILL)
    home.wait_for_state(run, "interrupted")
    client.cancel(home.path, run, "discard")
    assert home.row(run).state == "cancelled"
    assert not (home.directory(run).path / "checkpoint").exists()
    with pytest.raises(RunError, match="was discarded"):
        home.store.requeue(run)


def test_the_real_runner_starts_quickly_and_ends_when_idle(home: Home) -> None:
    command = [*client.RUNNER, "--home", str(home.path), "--devices", "cpu", "--exit-when-idle"]
    done = subprocess.run(
        command, env=home.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
