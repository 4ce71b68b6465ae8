"""Checkpoints are whole, finite and two; a bad one is passed over in words (F7, F9, F11, F14)."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sparse_peft import files
from sparse_peft.files import Disk, DiskError
from sparse_peft.runs import checkpoint
from sparse_peft.tasks.job import NotFinite


def save(folder: Path, step: int) -> None:
    checkpoint.save(folder, step, {"weight": torch.full((3,), float(step))}, {"seen": step})


def loaded_step(folder: Path) -> int:
    found, notes = checkpoint.newest_good(folder)
    assert notes == []
    assert found is not None
    step, tensors, state = found
    assert tensors["weight"].tolist() == [float(step)] * 3
    assert state == {"seen": step}
    return step


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    values = torch.randn(100, dtype=torch.float64)
    tensors = {
        "half": values.to(torch.bfloat16),
        "double": values,
        "view": values[10:20],
        "again": values,
        "columns": values.reshape(10, 10).T,
        "rng": torch.get_rng_state(),
        "count": torch.tensor(7),
    }
    checkpoint.save(tmp_path / "c", 3, tensors, {"losses": [[1, 0.5]], "none": None})
    found, _ = checkpoint.newest_good(tmp_path / "c")
    assert found is not None
    assert found[0] == 3
    assert found[2] == {"losses": [[1, 0.5]], "none": None}
    assert found[1].keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[1][name], tensor)
        assert found[1][name].dtype == tensor.dtype


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    assert checkpoint.newest_good(tmp_path / "c") == (None, [])
    for step in (5, 10, 15, 15):
        save(tmp_path / "c", step)
    assert [path.name for path in checkpoint.steps(tmp_path / "c")] == [
        "step-00000010",
        "step-00000015",
    ]
    assert loaded_step(tmp_path / "c") == 15


@pytest.mark.parametrize("value", [float("nan"), float("inf"), complex(0, float("nan"))])
def test_f14_what_is_not_finite_is_never_saved(tmp_path: Path, value: complex) -> None:
    save(tmp_path, 5)
    with pytest.raises(NotFinite, match=r"At step 6 bad is not a finite number\. Use a lower"):
        checkpoint.save(tmp_path, 6, {"good": torch.ones(2), "bad": torch.tensor([value])}, {})
    assert loaded_step(tmp_path) == 5


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _to_nan(path: Path) -> None:
    """As if NaN had been saved properly: only a look at the values tells."""
    from safetensors.torch import save_file

    save_file({"weight": torch.tensor([float("nan")])}, path)
    files.seal(path.parent)


SURGERY: dict[str, Callable[[Path], object]] = {
    "flipped": lambda folder: _flip(folder / "tensors.safetensors"),
    "cut": lambda folder: os.truncate(folder / "tensors.safetensors", 40),
    "empty": lambda folder: os.truncate(folder / "tensors.safetensors", 0),
    "absent": lambda folder: (folder / "tensors.safetensors").unlink(),
    "state": lambda folder: (folder / "state.json").write_text("{}"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "bad manifest": lambda folder: _flip(folder / "manifest.json"),
    "nan": lambda folder: _to_nan(folder / "tensors.safetensors"),
}


@pytest.mark.parametrize("name", SURGERY)
def test_f11_a_bad_checkpoint_is_passed_over_in_words(tmp_path: Path, name: str) -> None:
    for step in (5, 10):
        save(tmp_path, step)
    SURGERY[name](tmp_path / "step-00000010")
    found, notes = checkpoint.newest_good(tmp_path)
    assert found is not None
    assert found[0] == 5
    assert len(notes) == 1
    assert notes[0].startswith("The checkpoint step-00000010 was passed over. ")
    save(tmp_path, 15)  # the bad one does not count as one of the two
    assert [path.name for path in checkpoint.steps(tmp_path)] == ["step-00000005", "step-00000015"]


def test_f11_without_any_good_one_there_is_none(tmp_path: Path) -> None:
    for step in (5, 10):
        save(tmp_path, step)
        SURGERY["cut"](tmp_path / f"step-{step:08}")
    found, notes = checkpoint.newest_good(tmp_path)
    assert found is None
    assert len(notes) == 2


class _Failing(Disk):
    """The n-th call fails."""

    def __init__(self, fail_at: int) -> None:
        self.left = fail_at

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open(self, path: Path, flags: int) -> int:
        self._count()
        return super().open(path, flags)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._count()
        return super().write(fd, data)

    def fsync(self, fd: int) -> None:
        self._count()
        super().fsync(fd)

    def replace(self, source: Path, target: Path) -> None:
        self._count()
        super().replace(source, target)


def test_f9_whatever_call_fails_a_checkpoint_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fail_at in range(1, 100):
        folder = tmp_path / str(fail_at)
        monkeypatch.setattr(files, "disk", Disk())
        save(folder, 5)
        failing = _Failing(fail_at)
        monkeypatch.setattr(files, "disk", failing)
        if failing.left > 0 and _is_full(folder):
            assert loaded_step(folder) in (5, 6)
        else:
            assert failing.left > 0, "a failed call was reported as saved"
            assert loaded_step(folder) == 6
            break
    assert fail_at > 10


def _is_full(folder: Path) -> bool:
    try:
        save(folder, 6)
    except DiskError:
        return True
    return False


def test_f10_a_full_disk_is_recognised_in_the_words_of_safetensors(tmp_path: Path) -> None:
    save(tmp_path, 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
    try:
        with pytest.raises(DiskError, match="File too large"):
            checkpoint.save(tmp_path, 6, {"large": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert loaded_step(tmp_path) == 5


@pytest.mark.slow
def test_f7_killed_at_any_moment_the_last_checkpoint_loads(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kill_writers.py")
    command = [sys.executable, str(script), str(tmp_path), "100"]
    root = str(script.parents[2])
    child = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) > 25, "the writers were killed before they wrote anything"
