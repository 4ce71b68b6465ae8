"""`methods` and `presets`: complete, documented, quick."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.methods import all_methods
from sparse_peft.presets import ClassesPreset, all_presets

REPOSITORY = Path(__file__).parents[2]


def test_methods_as_json_has_the_documented_keys_and_no_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["methods", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(all_methods())
    for row in rows:
        assert set(row) == {"name", "title", "source", "fields"}
        assert "arXiv" in row["source"]
        for field in row["fields"]:
            assert set(field) == {"name", "type", "default", "help", "required"}
            assert field["help"]


def test_methods_as_text_names_every_setting_with_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    for words in ("lora     Low-Rank Adaptation", "rank = 4", "coefficients = 2592", "T = 10"):
        assert words in said


def test_presets_are_listed_with_steps_and_learning_rates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(all_presets())
    for line, preset in zip(lines, all_presets(), strict=True):
        assert preset.name in line
        if isinstance(preset, ClassesPreset):
            epochs, steps = preset.training.epochs, preset.training.steps_per_shot
            assert (f"{epochs} epochs" if epochs else f"{steps} steps a shot") in line
            least = preset.training.least_steps
            assert (f"at least {least}," in line) == (least > 1)
        else:
            assert f"{preset.training.steps} steps" in line
        assert f"lora lr {preset.methods['lora'].lr:g}" in line


def test_presets_as_json_are_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["backbone"], row["name"]) for row in rows] == [
        (preset.backbone, preset.name) for preset in all_presets()
    ]


def test_methods_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import sys; from sparse_peft.__main__ import main; main(['methods']);"
        "assert not {'torch', 'diffusers', 'peft'} & set(sys.modules)"
    )
    seconds = []  # of its own on a core: another job of the machine must not fail the test
    for _ in range(3):
        before = own_seconds()
        subprocess.run(
            [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True
        )
        seconds.append(own_seconds() - before)
    assert min(seconds) <= 1.0


def own_seconds() -> float:
    """What all ended children of this process have had of the cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
