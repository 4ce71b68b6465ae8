import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.ranks import Averaging
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

SCRIPT = Path(__file__).with_name("two_ranks.py")
PATIENCE = 240  # seconds


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """What two processes on the loopback found."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {
        "PYTHONPATH": str(SCRIPT.parents[3]), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"
    }  # fmt: skip
    both = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(folder)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=PATIENCE)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], "\n".join(errors)
    found = [json.loads((folder / f"{rank}.json").read_text("utf-8")) for rank in range(2)]
    return folder, found


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [False, True])
def test_two_processes_train_as_one_does_on_the_union_of_their_batches(two, wrapped, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from two_ranks import Net, trained

    folder, _ = two
    first, second = (torch.load(folder / f"{rank}-{wrapped}.pt") for rank in range(2))
    alone, before = trained(None, wrapped).state_dict(), Net().state_dict()
    for name, expected in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], expected, rtol=0, atol=1e-12)
        assert torch.equal(expected, before[name]) == name.startswith("never")


@pytest.mark.slow
def test_a_layer_that_one_process_used_has_a_gradient_in_both(two):
    (first_rare, first_never), (second_rare, second_never) = (f["used_by_one"] for f in two[1])
    assert first_rare == second_rare > 0
    assert first_never is second_never is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("seed", "sample different entries or hold different weights"),
        ("weights", "sample different entries or hold different weights"),
        ("outside", "wrap it in DistributedDataParallel after that"),
        ("inside", "before it is wrapped"),
        ("all", "DistributedDataParallel is not needed"),
    ],
)
def test_processes_and_wrappers_that_would_go_wrong_are_told(two, wrong, words):
    assert all(words in found["complaints"][wrong] for found in two[1])


def test_alone_nothing_is_averaged():
    assert not Averaging.needed()


def test_threads_are_refused():
    model = nn.Sequential(nn.Linear(4, 4))
    so = SO(model.parameters())
    with pytest.raises(ValueError, match="DataParallel is not possible"):
        sampled_gradients(nn.DataParallel(model), so)
    sampled_gradients(model, so, densest=1.0)
    with pytest.raises(RuntimeError, match="Replicas of DataParallel"):
        model(torch.ones(2, 4, device="meta"))


def test_sharded_models_are_refused():
    class FullyShardedDataParallel(nn.Module):
        pass

    model = nn.Sequential(FullyShardedDataParallel(), nn.Linear(4, 4))
    with pytest.raises(ValueError, match="sharded"):
        sampled_gradients(model, SO(model.parameters()))
