"""Faults of the machine: kills, clocks, threads, full disks. Names as in the fault catalogue."""

import random
import signal
import statistics
import threading
from pathlib import Path

import pytest

from sparse_peft.files import Lock
from sparse_peft.runs.launchers.local import LocalLauncher, device_lock_path

from .conftest import WORKER, Home, wait_until
from .fake_worker import chain_of


@pytest.mark.slow
def test_f1_a_worker_killed_at_any_step_is_interrupted_within_a_second(home: Home) -> None:
    runs = home.submit(20, steps=10_000, dt=0.002)
    runner = home.runner("--cpu-slots", "1")
    generator = random.Random(1)
    latencies = []
    for run in runs:
        home.wait_for_step(run, generator.randint(1, 40))
        home.signal_worker(run, signal.SIGKILL)
        latencies.append(home.wait_for_state(run, "interrupted"))
        assert not home.directory(run).locked()
    assert runner.poll() is None
    assert not Lock.held_elsewhere(device_lock_path(home.path, "cpu-0"))
    print(f"from death to state: median {statistics.median(latencies):.3f} s")
    assert statistics.median(latencies) < 1.0
    # One of twenty may find both cores busy with something else for a while.
    assert max(latencies) < 5.0


@pytest.mark.slow
def test_f18_a_clock_that_jumps_changes_nothing(home: Home, tmp_path: Path) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(
        "import itertools, time\n"
        "real, real_ns, jump = time.time, time.time_ns, itertools.cycle([10800, -10800, 0])\n"
        "time.time = lambda: real() + next(jump)\n"
        "time.time_ns = lambda: real_ns() + next(jump) * 10**9\n"
    )
    path = f"{tmp_path / 'clock'}:{home.environment['PYTHONPATH']}"
    home.environment = home.environment | {"PYTHONPATH": path}
    runs = home.submit(2, steps=40, dt=0.005)
    home.serve()
    for run in runs:
        assert (home.row(run).state, home.row(run).attempts) == ("finished", 1)
        assert home.steps(run) == list(range(1, 41))
        events, _ = home.directory(run).events()
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_f20_a_worker_outlives_the_thread_that_started_it(home: Home) -> None:
    (run,) = home.submit(steps=60, dt=0.01)
    launcher = LocalLauncher(home.path, WORKER)
    thread = threading.Thread(target=lambda: launcher.start(run, "cpu-0", 1))
    thread.start()
    thread.join()
    wait_until(lambda: not launcher.poll(run).alive)
    assert launcher.poll(run).exit_status == 0
    assert home.kinds(run)[-1] == "finished"


def test_f19_an_adopted_worker_with_a_forged_identity_is_never_signalled(home: Home) -> None:
    (run,) = home.submit(steps=10_000, dt=0.01)
    LocalLauncher(home.path, WORKER).start(run, "cpu-0", 1)
    home.wait_for_step(run, 1)
    path = home.directory(run).worker
    true = path.read_text()
    found = home.worker_identity(run)
    path.write_text(true.replace(f'"{found.start}"', '"1"'))
    stranger = LocalLauncher(home.path, WORKER)
    assert stranger.attach(run)
    assert not stranger.cancel(run, signal.SIGKILL)
    assert stranger.poll(run).alive
    path.write_text(true)
    assert stranger.cancel(run, signal.SIGKILL)
    wait_until(lambda: not stranger.poll(run).alive)
    assert stranger.poll(run).exit_status is None
    assert not stranger.cancel(run, signal.SIGKILL)


def test_f10_after_a_full_disk_the_run_resumes_once_there_is_room(home: Home) -> None:
    (run,) = home.submit(steps=20, fail_at=12, how="disk")  # only the first attempt is limited
    home.serve()
    assert home.directory(run).events()[0][-1]["reason"] == "disk"
    found, notes = home.directory(run).load_checkpoint()
    assert found is not None
    assert (found[0], notes) == (10, [])
    home.store.requeue(run)
    home.serve()
    report = home.directory(run).report()
    assert report is not None
    assert report["chain"] == chain_of(20)
