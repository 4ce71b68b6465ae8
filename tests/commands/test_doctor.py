"""`doctor`: a real probe run, reported for people and for programs."""

import json
import os
import re
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.commands import doctor
from sparse_peft.maths.kernels import compiled, triton_sampled
from sparse_peft.runs.store import Store


@pytest.mark.slow
def test_the_probe_says_what_this_machine_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert main(["doctor", "--home", str(home), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    cpu = report["devices"][0]
    assert (cpu["id"], cpu["cores"]) == ("cpu", len(os.sched_getaffinity(0)))
    assert cpu["memory_gib"] > 0.5
    assert report["forward_ms"] > 0
    assert {"python", "torch", "peft"} <= set(report["versions"])
    with Store(home) as store:
        assert [(row.kind, row.state) for row in store.runs()] == [("probe", "finished")]


@pytest.mark.slow
def test_a_person_reads_the_same_in_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--home", str(tmp_path / "home")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"cpu: .+, \d+ cores?, [\d.]+ GiB", lines[0])
    assert any(line.startswith("compiled kernels (numba): ") for line in lines)
    assert any(line.startswith("Triton kernels: ") for line in lines)
    assert any("ms for one forward pass of one picture" in line for line in lines)
    assert lines[-1] == f"runs are kept in {tmp_path / 'home'}"


def test_a_device_is_told_in_words() -> None:
    cpu = {"id": "cpu", "name": "AMD EPYC", "cores": 2, "memory_gib": 15.6}
    assert doctor._device(cpu) == "cpu: AMD EPYC, 2 cores, 15.6 GiB"
    assert doctor._device(cpu | {"cores": 1}) == "cpu: AMD EPYC, 1 core, 15.6 GiB"
    cuda = {"id": "cuda:0", "name": "NVIDIA H200", "memory_gib": 139.8, "free_gib": 130.0}
    assert doctor._device(cuda) == "cuda:0: NVIDIA H200, 139.8 GiB, 130.0 GiB of them free"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("cuda", [True, False])
def test_kernels_are_told_where_they_are_used(
    there: bool, cuda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (compiled, triton_sampled):
        monkeypatch.setattr(module, "installed", lambda: there)
    numba, triton = doctor._kernels(cuda=cuda)
    assert ("used on the CPU" in numba) == there
    assert ("pip install -r requirements-compiled.txt" in numba) != there
    assert ("used on CUDA" in triton) == (there and cuda)
    assert ("there is no CUDA device" in triton) != cuda
