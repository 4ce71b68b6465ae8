"""The worker does one run, holds its locks for life, and says how it ended."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparse_peft.files import Lock
from sparse_peft.runs.events import EventLog
from sparse_peft.runs.launchers.local import device_lock_path
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec
from sparse_peft.runs.worker import KINDS, WorkerJob
from sparse_peft.tasks.job import Job

from .conftest import Home, wait_until
from .fake_worker import chain_of


def test_a_worker_by_hand_does_the_run(home: Home) -> None:
    (run,) = home.submit(steps=7)
    worker = home.worker(run, "--device", "cpu-0")
    assert worker.wait(60) == 0
    assert home.kinds(run) == ["started", *["step"] * 5, "checkpoint", *["step"] * 2, "finished"]
    report = home.directory(run).report()
    assert report is not None
    assert report["chain"] == chain_of(7)


def test_a_locked_run_and_a_locked_device_are_refused(home: Home) -> None:
    first, second = home.submit(2, steps=1000, dt=0.01)
    home.worker(first, "--device", "cpu-0")
    home.wait_for_step(first, 1)
    for run, device in ((first, "cpu-1"), (second, "cpu-0")):
        refused = home.worker(run, "--device", device)
        _, errors = refused.communicate(timeout=60)
        assert refused.returncode == 3
        assert "is held: another worker is at work there." in errors
    assert home.kinds(second) == []
    assert home.kinds(first).count("started") == 1


def test_a_stale_attempt_is_refused(home: Home) -> None:
    (run,) = home.submit(steps=1)
    home.directory(run).event_log(2).emit("started")
    worker = home.worker(run, "--device", "cpu-0", "--attempt", "2")
    assert worker.wait(60) == 3
    assert "Attempt 2 is stale" in home.directory(run).log.read_text()
    assert home.kinds(run) == ["started"]


def test_what_libraries_print_is_in_the_log(home: Home) -> None:
    (run,) = home.submit(steps=3, fail_at=2, how="exit")
    worker = home.worker(run, "--device", "cpu-0")
    said, errors = worker.communicate(timeout=60)
    assert (worker.returncode, said, errors) == (7, "", "")
    assert home.directory(run).log.read_text() == "last words\n"


def test_a_damaged_checkpoint_is_a_note_and_the_run_goes_on_from_the_one_before(
    home: Home,
) -> None:
    (run,) = home.submit(steps=14, fail_at=12, how="error")
    assert home.worker(run, "--device", "cpu-0").wait(60) == 1
    (home.directory(run).path / "checkpoint/step-00000010/state.json").write_text("{}")
    assert home.worker(run, "--device", "cpu-0").wait(60) == 0
    notes = [e for e in home.directory(run).events()[0] if e["kind"] == "note"]
    assert "step-00000010 was passed over" in notes[0]["text"]
    assert home.steps(run) == [*range(1, 12), *range(6, 15)]
    report = home.directory(run).report()
    assert report is not None
    assert report["chain"] == chain_of(14)


@pytest.mark.slow
def test_f35_a_resumed_run_ends_in_the_same_bits(home: Home) -> None:
    (through,) = home.submit(kind="probe", seed=3, steps=20)
    (killed,) = home.submit(kind="probe", seed=3, steps=20, gate=7)
    undisturbed = home.worker(through, "--device", "cpu-0")
    home.worker(killed, "--device", "cpu-1")
    home.wait_for_step(killed, 7)
    home.signal_worker(killed, signal.SIGKILL)
    wait_until(lambda: not home.directory(killed).locked())
    assert home.worker(killed, "--device", "cpu-1").wait(120) == 0
    assert undisturbed.wait(120) == 0
    weights = [home.directory(run).path / "weight.json" for run in (through, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    report = home.directory(through).report()
    assert report == {"threads": 1, "cuda": ""}


def test_a_job_counts_the_cpu_slots_beside_it(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, RunSpec("r1", "train", "me", None, {"x": 1}))
    job = WorkerJob(directory, "cpu-0", EventLog(directory.path / "events.jsonl", 1))
    assert isinstance(job, Job)
    assert (job.device, job.settings, job.attempt) == ("cpu", {"x": 1}, 1)
    with Lock(device_lock_path(tmp_path, "cpu-0")):
        assert job.beside == 0
        with Lock(device_lock_path(tmp_path, "cpu-1")):
            assert job.beside == 1
    log = EventLog(directory.path / "events.jsonl", 1)
    assert WorkerJob(directory, "cuda:1", log).device == "cuda:0", "the only one it sees"


def test_every_kind_of_run_has_its_function() -> None:
    folder = Path(__file__).parents[2]
    for kind, where in KINDS.items():
        module, _, function = where.partition(":")
        text = (folder / f"{module.replace('.', '/')}.py").read_text()
        assert f"def {function}(job: Job) -> None:" in text, kind


@pytest.mark.parametrize(
    ("visible", "device", "seen"),
    [("", "cuda:1", "1"), ("4,6", "cuda:1", "6"), ("4,6", "cpu-1", "")],
)
def test_a_worker_sees_its_device_alone(visible: str, device: str, seen: str) -> None:
    code = (
        "import os, sys; from sparse_peft.runs.worker import _set_device; before = os.nice(0)\n"
        "_set_device(sys.argv[1]); print(os.environ['CUDA_VISIBLE_DEVICES'], end='')\n"
        "print('', os.environ.get('OMP_NUM_THREADS'), os.nice(0) > before, end='')"
    )
    environment = {"CUDA_VISIBLE_DEVICES": visible, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code, device]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    on_cpu = device == "cpu-1"  # there it makes room for what a person waits for
    assert shown.stdout == f"{seen} {'1' if on_cpu else None} {on_cpu}"


def test_nothing_here_imports_torch() -> None:
    modules = "spec,events,run,store,runner,client,worker,inputs,process,devices,launchers.local"
    code = (
        "import importlib, sys\n"
        f"for name in '{modules}'.split(','): importlib.import_module('sparse_peft.runs.' + name)\n"
        "print([m for m in ('torch', 'numpy', 'safetensors') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert shown.stdout == "[]\n"


def test_an_event_of_each_step_is_on_the_disk_at_once(home: Home) -> None:
    (run,) = home.submit(steps=1000, dt=0.05)
    home.worker(run, "--device", "cpu-0")
    home.wait_for_step(run, 1)
    lines = (home.directory(run).path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))
    started = time.monotonic()
    home.directory(run).request_cancel("keep")
    wait_until(lambda: not home.directory(run).locked())
    assert time.monotonic() - started < 5, "a step takes 0.05 s; the machine may be busy"
    report = home.directory(run).report()
    assert report is not None
    assert report["stopped_at"] == home.steps(run)[-1]
