"""The words that name a changed preset on a command line, or a file where words cannot."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import presets
from sparse_peft.outcome.recipe import preset_words
from sparse_peft.presets import MethodDefaults
from tests.planned import submit, write_preset


def test_a_preset_as_it_is_goes_by_its_name(tmp_path: Path) -> None:
    _, _, content = submit(tmp_path)
    assert preset_words(tmp_path / "home", content, ("so",)) == ("--preset", "tiny.toml")


def test_a_method_that_the_preset_has_no_rate_for_gets_its_own(tmp_path: Path) -> None:
    preset = presets.preset("quick", "dreambooth", "builtin")
    methods = {"lora": MethodDefaults(2e-5)}
    without = replace(preset, name="quick, changed", methods=methods)
    _, _, content = submit(tmp_path, preset=without, methods=("lora",))
    words = preset_words(tmp_path / "home", content, ("lora",))
    assert words == ("--preset", "quick", "--set", "lora.lr=2e-05")


@pytest.mark.parametrize("name", ["mine.toml, changed", "gone, changed"])
def test_a_changed_preset_that_no_command_can_name_is_a_file(tmp_path: Path, name: str) -> None:
    tiny = presets.preset(str(write_preset(tmp_path / "tiny.toml")), "dreambooth", "builtin")
    _, _, content = submit(tmp_path, preset=replace(tiny, name=name))
    assert preset_words(tmp_path / "home", content, ("so",)) == ("--preset", "FILE")


def test_a_size_that_no_budget_gives_is_a_file(tmp_path: Path) -> None:
    preset = presets.preset("quick", "dreambooth", "builtin")
    shares = {"init_rank": 12, "target_rank": 1}
    methods = preset.methods | {"adalora": MethodDefaults(4e-2, shares)}
    changed = replace(preset, name="quick, changed", methods=methods)
    _, _, content = submit(tmp_path, preset=changed, methods=("adalora",), budget=500_000)
    assert preset_words(tmp_path / "home", content, ("adalora",)) == ("--preset", "FILE")
