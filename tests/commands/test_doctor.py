"""`doctor`: a real probe run, reported for people and for programs."""

import json
import os
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.runs.store import Store

pytestmark = pytest.mark.slow


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


def test_a_person_reads_the_same_in_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--home", str(tmp_path / "home")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("id cpu  name ")
    assert any("ms for one forward pass of one picture" in line for line in lines)
    assert lines[-1] == f"runs are kept in {tmp_path / 'home'}"
