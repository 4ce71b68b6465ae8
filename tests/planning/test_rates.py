"""Learning rates that follow the budget, and those that do not."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.errors import SpecError
from sparse_peft.outcome.recipe import preset_words
from sparse_peft.planning import plan, preset_budget, rate
from sparse_peft.presets import MethodDefaults, Preset, rated
from tests.planned import choose, submit

SHAPES = sources.shapes(sources.resolve("builtin"), "attention")


def falling() -> Preset:
    """A preset by whose budget the rate of WaveFT goes, and that of LoRA does not."""
    found = presets.preset("quick", "dreambooth", "builtin")
    shared = replace(found.shared, targets="attention")
    methods = {"waveft": MethodDefaults(6e-4, {}, -0.5), "lora": MethodDefaults(6e-3)}
    return replace(found, shared=shared, methods=methods)


@pytest.mark.parametrize(
    ("times", "wanted"), [(1, 6e-4), (4, 3e-4), (1 / 4, 1.2e-3), (16, 1.5e-4), (1 / 8, 1.7e-3)]
)
def test_a_rate_falls_with_the_root_of_the_budget_to_two_digits(
    times: float, wanted: float
) -> None:
    preset = falling()
    budget = round(times * preset_budget(preset, SHAPES))
    assert rate("waveft", preset, budget, SHAPES) == wanted
    assert rate("lora", preset, budget, SHAPES) == 6e-3


def test_the_presets_own_rate_is_not_rounded() -> None:
    preset = replace(falling(), methods={"waveft": MethodDefaults(1.234567e-3, {}, -0.5)})
    assert rate("waveft", preset, preset_budget(preset, SHAPES), SHAPES) == 1.234567e-3


def test_a_rate_that_a_person_gives_holds_at_every_budget() -> None:
    before = MethodDefaults(7e-4, {"scaling": 5.0}, -0.5)
    assert rated(before, 3e-3) == MethodDefaults(3e-3, {"scaling": 5.0})
    assert rated(before, None) is before
    assert rated(None, 3e-3) == MethodDefaults(3e-3)
    assert rated(None, None) is None


def test_an_exponent_beyond_one_is_refused() -> None:
    with pytest.raises(SpecError, match="lr_exponent is -2; use a number from -1 to 1"):
        MethodDefaults(1e-3, {}, -2)


def test_a_subjects_trainings_have_the_rates_of_their_budget(tmp_path: Path) -> None:
    preset = falling()
    budget = 4 * preset_budget(preset, SHAPES)
    chosen = choose(tmp_path, preset=preset, methods=("waveft", "lora"), budget=budget)
    content = plan(chosen, tmp_path / "home")[2]
    assert [run.training.lr for run in content.runs] == [3e-4, 6e-3]


def test_the_command_that_is_printed_leaves_such_a_rate_to_the_budget(tmp_path: Path) -> None:
    usual = presets.preset("quick", "dreambooth", "builtin")
    falling = {name for name, ours in usual.methods.items() if ours.lr_exponent == -0.5}
    assert falling == {"lora", "waveft", "so", "fourierft", "shira", "sparse_weight"}
    methods = usual.methods | {"lora": MethodDefaults(5e-3)}
    changed = replace(usual, name="quick, changed", methods=methods)
    names = ("waveft", "lora")
    _, _, content = submit(tmp_path, preset=changed, methods=names, budget=40_000)
    assert content.runs[0].training.lr > usual.methods["waveft"].lr
    words = preset_words(tmp_path / "home", content, names)
    assert words == ("--preset", "quick", "--set", "lora.lr=0.005")
