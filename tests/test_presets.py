"""The recipes: all of the project's can be used, and a person's own is checked in words."""

from pathlib import Path

import pytest

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.errors import SpecError
from sparse_peft.methods import all_methods
from sparse_peft.planning import lora_rank_one, sized
from tests.planned import write_preset


def test_every_task_and_family_has_its_recipes() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for preset in presets.all_presets():
        found.setdefault((preset.task, preset.backbone), set()).add(preset.name)
    usual = {"quick", "balanced", "best"}
    families = {"builtin", *sources.FAMILIES.values()}
    assert found == {
        **{("dreambooth", family): usual for family in families},
        ("fewshot", "builtin"): usual,
        ("fewshot", "clip"): {"quick", "clip-lora", "so-paper", "so-code"},
    }


@pytest.mark.parametrize(
    "preset", presets.all_presets(), ids=lambda p: f"{p.task}-{p.backbone}-{p.name}"
)
def test_a_preset_knows_every_method_and_its_default_budget_suits_each(
    preset: presets.AnyPreset,
) -> None:
    assert set(preset.methods) == set(all_methods())
    shapes = sources.shapes(sources.resolve("builtin", preset.task), preset.shared.targets)
    budget = round(preset.lora_ranks * lora_rank_one(shapes))
    # SO's published budgets are where no LoRA goes: there it is marked as over the budget.
    below_lora = preset.lora_ranks < 1
    for name in preset.methods:
        sized(name, preset, budget, shapes, allow_over=below_lora and name != "so")


def test_published_recipes_say_what_they_reproduce_and_own_ones_claim_nothing() -> None:
    for preset in presets.all_presets():
        if isinstance(preset, presets.ClassesPreset):
            published = preset.name in ("clip-lora", "so-paper", "so-code")
            assert bool(preset.reproduces) == published
            assert "arXiv" in preset.source or not published


def test_clip_lora_is_as_published() -> None:
    preset = presets.preset("clip-lora", "fewshot", "clip")
    lora, training = preset.method("lora"), preset.training
    assert preset.shared.targets == "qkv"
    assert preset.lora_ranks == 2
    assert (lora.lr, lora.fields["alpha"], lora.fields["rslora"]) == (2e-4, 1.0, True)
    assert (lora.fields["dropout"], lora.fields["weight_decay"]) == (0.25, 1e-2)
    assert [training.steps(shots) for shots in (1, 4, 16)] == [500, 2000, 8000]
    assert (training.batch_size, training.lr_end, training.max_grad_norm) == (32, 1e-6, None)
    assert (preset.shared.template, preset.shared.scale) == ("a photo of a {}.", 100.0)


def test_so_of_the_paper_and_of_the_code_differ_as_their_sources_say() -> None:
    paper = presets.preset("so-paper", "fewshot", "clip")
    code = presets.preset("so-code", "fewshot", "clip")
    assert [p.training.steps(4) for p in (paper, code)] == [2000, 8000]
    assert [p.method("so").fields["T"] for p in (paper, code)] == [10, 5]
    assert [p.method("so").fields["prune"] for p in (paper, code)] == ["before", "after"]
    assert {p.shared.targets for p in (paper, code)} == {"packed"}
    assert {p.training.stop_below for p in (paper, code)} == {0.01}


def test_the_task_of_a_file_is_checked_in_words(tmp_path: Path) -> None:
    path = write_preset(tmp_path / "mine.toml", ('"dreambooth"', '"fewshots"'))
    with pytest.raises(SpecError, match="task is 'fewshots'; expected one of dreambooth, fewshot"):
        presets.preset(str(path), "dreambooth", "builtin")


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
