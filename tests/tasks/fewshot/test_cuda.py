"""On a CUDA device: each method learns classes in half precision, with scaled gradients."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from tests.tasks.fewshot.small import METHODS, prepared, shared_by, trained
from tests.tasks.local_job import LocalJob


@pytest.fixture
def own_accelerate(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One process keeps one precision and device; a run has a process of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setattr(LocalJob, "device", "cuda:0")
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.gpu
@pytest.mark.usefixtures("own_accelerate")
@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_in_half_precision(method: str, backbone: Path, tmp_path: Path) -> None:
    shared = shared_by(backbone, precision="fp16", seeds=(1,))
    ready = prepared(shared, tmp_path)
    report = trained(
        ready, shared, tmp_path / "train", method, steps=60, checkpoint_every=60, batch_size=6
    ).read_report()
    losses = [loss for _, loss in report["losses"]]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert report["peak_mib"] > 0
