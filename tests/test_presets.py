"""The recipes: all of the project's can be used, and a person's own is checked in words."""

from pathlib import Path

import pytest

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.errors import SpecError
from sparse_peft.methods import all_methods
from sparse_peft.planning import lora_rank_one, sized
from tests.planned import write_preset


def test_every_family_has_the_same_three() -> None:
    found = {(p.task, p.backbone): set() for p in presets.all_presets()}
    for preset in presets.all_presets():
        found[preset.task, preset.backbone].add(preset.name)
    families = {"builtin", *sources.FAMILIES.values()}
    assert found == {("dreambooth", f): {"quick", "balanced", "best"} for f in families}


@pytest.mark.parametrize("preset", presets.all_presets(), ids=lambda p: f"{p.backbone}-{p.name}")
def test_a_preset_knows_every_method_and_its_default_budget_suits_each(
    preset: presets.Preset,
) -> None:
    assert set(preset.methods) == set(all_methods())
    shapes = sources.shapes(sources.resolve("builtin"), preset.shared.targets)
    budget = round(preset.lora_ranks * lora_rank_one(shapes))
    for name in preset.methods:
        sized(name, preset, budget, shapes, allow_over=False)


def test_a_preset_is_found_by_name_for_the_backbone_at_hand() -> None:
    assert presets.preset("quick", "dreambooth", "builtin").shared.resolution == 64
    assert presets.preset("quick", "dreambooth", "sdxl").backbone == "sdxl"


def test_an_unknown_name_is_refused_with_the_nearest_and_all() -> None:
    with pytest.raises(SpecError) as caught:
        presets.preset("quik", "dreambooth", "builtin")
    assert str(caught.value) == (
        "unknown preset 'quik'. Did you mean 'quick'? For dreambooth on builtin: balanced, best, "
        "quick, or a file of your own whose name ends in .toml."
    )


def test_a_file_is_called_by_its_own_name(tmp_path: Path) -> None:
    path = write_preset(tmp_path / "mine.toml", ('"tiny"', '"quick"'))
    assert presets.preset(str(path), "dreambooth", "builtin").name == "mine.toml"


def test_a_file_that_does_not_exist_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"--preset .*none\.toml does not exist\. Name a file"):
        presets.preset(str(tmp_path / "none.toml"), "dreambooth", "builtin")


def test_a_file_for_another_backbone_is_refused_in_words(tmp_path: Path) -> None:
    path = write_preset(tmp_path / "mine.toml", ('backbone = "builtin"', 'backbone = "sd"'))
    words = "is for dreambooth on sd; this is dreambooth on builtin"
    with pytest.raises(SpecError, match=words):
        presets.preset(str(path), "dreambooth", "builtin")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lora_ranks", "lora_rank"), "unknown setting 'lora_rank'. Did you mean 'lora_ranks'?"),
        (("lora_ranks = 1", "lora_ranks = 0"), "lora_ranks is 0.0; use a number above 0."),
        (("[methods.lora]", "[methods.lorra]"), "unknown method 'lorra'. Did you mean 'lora'?"),
        (("[methods.lora]\nlr = 1e-2", "[methods.lora]\nlr = 0"), "lora: lr is 0.0; use a number"),
        (("= 64", "= 7"), "shared.resolution is 7; use a multiple of 8."),
        (("= [0, 1, 2]", "= []"), "shared.seeds is []; name one or more, each once."),
        (("= [0, 1, 2]", "= [1, 1]"), "shared.seeds is [1, 1]; name one or more, each once."),
        (("= [0, 1, 2]", "= [-1]"), "shared.seeds is [-1]; use 0 to 2147483647."),
        (("ing]\nsteps = 2", "ing]\nsteps = 0"), "steps is 0; use 1 or more"),
        (('"attention"', '"atention"'), "expected 'attention' or 'attention+ff'. Did you mean"),
        (
            ("[training]", "[shared.prior]\npictures = 0\n[training]"),
            "shared.prior.pictures is 0; use 1 or more.",
        ),
    ],
)
def test_a_wrong_setting_names_the_file_and_what_is_allowed(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    path = write_preset(tmp_path / "mine.toml", change)
    with pytest.raises(SpecError) as caught:
        presets.preset(str(path), "dreambooth", "builtin")
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)


def test_a_method_without_a_learning_rate_is_refused_in_words(tmp_path: Path) -> None:
    path = write_preset(tmp_path / "mine.toml", ("[methods.lora]\nlr = 1e-2\n", ""))
    with pytest.raises(SpecError) as caught:
        presets.preset(str(path), "dreambooth", "builtin").method("lora")
    assert "'mine.toml' has no learning rate for lora; it has one for so, waveft." in str(
        caught.value
    )
