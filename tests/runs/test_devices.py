"""Slots are found without torch."""

from pathlib import Path

import pytest

from sparse_peft.runs import devices


def test_the_cpu_has_at_most_a_slot_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert devices.slots(["cpu"], 2) == ("cpu-0", "cpu-1")
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert devices.slots(["cpu"], 2) == ("cpu-0",)


def test_a_cuda_device_is_one_slot() -> None:
    assert devices.slots(["cuda:0", "cuda:1"], 2) == ("cuda:0", "cuda:1")


def test_without_a_driver_torch_is_not_even_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path / "absent"),))
    monkeypatch.setattr(devices, "_COUNT", "raise SystemExit(1)")
    assert devices.found_devices() == ("cpu",)


@pytest.mark.parametrize(("count", "found"), [("2", ("cuda:0", "cuda:1")), ("0", ("cpu",))])
def test_with_a_driver_a_child_process_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: str, found: tuple[str, ...]
) -> None:
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path),))
    monkeypatch.setattr(devices, "_COUNT", f"print({count})")
    assert devices.found_devices() == found
