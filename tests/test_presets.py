"""The recipes: all of the project's can be used, and a person's own is checked in words."""

from pathlib import Path

import pytest

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.diffusion.source import FAMILIES
from sparse_peft.data.published import transfer
from sparse_peft.errors import SpecError
from sparse_peft.methods import all_methods
from sparse_peft.planning import lora_rank_one, sized
from sparse_peft.tasks.fewshot.recipe import ClassTraining, ClassTrainingDefaults
from tests.planned import write_preset


def test_every_task_and_family_has_its_recipes() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for preset in presets.all_presets():
        found.setdefault((preset.task, preset.backbone), set()).add(preset.name)
    usual = {"quick", "balanced", "best"}
    families = {"builtin", *FAMILIES.values()}
    assert found == {
        **{("dreambooth", family): usual for family in families},
        ("dreambooth", "sdxl"): usual | {"waveft-paper"},
        ("fewshot", "builtin"): usual,
        ("fewshot", "clip"): {"quick", "clip-lora", "so-paper", "so-code"},
        ("fewshot", "vision"): {"quick", "snell-8", "snell-16", "snell-32"},
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
    # Some have no size as small as that of a published recipe: there they are marked as over it.
    over = {
        name for name in preset.methods if sized(name, preset, budget, shapes, allow_over=True)[1]
    }
    assert not over & {"so", "waveft", "fourierft", "sparse_weight", "full"}
    if preset.lora_ranks >= 3:
        assert not over
    elif preset.lora_ranks >= 2:
        assert over <= {"adalora"}
    elif preset.lora_ranks >= 1:
        assert over <= {"adalora", "loha", "snell"}


def test_published_recipes_say_what_they_reproduce_and_own_ones_claim_nothing() -> None:
    for preset in presets.all_presets():
        if isinstance(preset, presets.ClassesPreset):
            published = preset.name.startswith(("clip-lora", "so-", "snell-"))
            assert bool(preset.reproduces) == published
            assert "arXiv" in preset.source or not published


def test_the_comparison_of_waveft_is_as_published() -> None:
    preset = presets.preset("waveft-paper", "dreambooth", "sdxl")
    assert (preset.training.steps, preset.training.accumulation) == (500, 4)
    assert (preset.shared.precision, preset.shared.resolution) == ("bf16", 1024)
    published = {"waveft", "lora", "adalora", "vera", "loha", "lokr", "fourierft"}
    rates = {name: preset.method(name).lr for name in published}
    assert rates.pop("vera") == 3.2e-3
    assert set(rates.values()) == {1e-4}
    alphas = {name: preset.method(name).fields.get("alpha") for name in published}
    assert (alphas["adalora"], alphas["loha"], alphas["lokr"], alphas["lora"]) == (
        32,
        64,
        192,
        None,
    )
    sdxl = {f"unet/{n}": shape for n, shape in enumerate(
        [(1280, 1280)] * 360 + [(1280, 2048)] * 120 + [(640, 640)] * 60 + [(640, 2048)] * 20
    )}  # fmt: skip
    sizes = {name: sized(name, preset, 1_451_520, sdxl, allow_over=True) for name in published}
    assert {name for name, (_, over) in sizes.items() if over} == {"adalora", "loha"}
    knobs = {name: method.knob(sdxl) for name, (method, _) in sizes.items()}
    assert knobs["waveft"] == knobs["fourierft"] == "2592 per layer"
    assert (knobs["lora"], knobs["loha"], knobs["adalora"]) == ("rank 1", "rank 1", "rank 2 to 1")
    assert knobs["vera"] == "rank 1403"


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


@pytest.mark.parametrize("rank", [8, 16, 32])
def test_snell_is_as_its_scripts_have_it_for_each_set(rank: int) -> None:
    preset = presets.preset(f"snell-{rank}", "fewshot", "vision")
    assert preset.lora_ranks == rank
    assert (preset.training.epochs, preset.training.warmup, preset.training.lr_end) == (
        100, 0.1, 1e-5,
    )  # fmt: skip
    for name in transfer.NAMES:
        own = preset.of(name)
        assert own.datasets == {}
        assert own.name == preset.name
        assert "SNELL" in own.reproduces
        assert own.training.head_weight_decay == own.method("snell").fields["weight_decay"]
        whole = name.startswith("vtab/")
        assert (own.shared.augmentation == "none") == whole
        assert own.shared.view is not None
        assert (own.shared.view.crop, own.shared.view.normal) == (
            "whole" if whole else "middle", "imagenet",
        )  # fmt: skip
    dogs = preset.of("fgvc/stanforddog")
    assert dogs.method("snell").lr == dogs.method("lora").lr == 3e-4
    assert dogs.method("full").lr == preset.method("full").lr
    assert dogs.method("lora").fields["weight_decay"] == (5e-3 if rank == 32 else 1e-3)
    flowers = preset.of("fgvc/oxfordflower").method("snell")
    assert flowers.fields["sparsity"] == (0.8 if rank == 32 else 0.6)
    assert preset.of("a set of one's own") is preset


def test_snell_32_has_the_schedule_of_each_set_of_vtab() -> None:
    preset = presets.preset("snell-32", "fewshot", "vision")
    dtd, kitti = preset.of("vtab/dtd"), preset.of("vtab/kitti")
    assert (dtd.training.batch_size, dtd.training.epochs, dtd.training.warmup) == (64, 200, 0.05)
    assert (kitti.training.batch_size, kitti.training.epochs, kitti.training.warmup) == (
        8, 100, 0.1,
    )  # fmt: skip
    assert dtd.method("snell").fields["sparsity"] == 0.995
    assert preset.of("vtab/patch_camelyon").method("snell").lr == 7e-4
    assert preset.of("vtab/eurosat").training.head_weight_decay == 4e-4
    assert "74.2 %" in preset.of("vtab/cifar").reproduces
    assert "89.9 %" in preset.of("fgvc/cub").reproduces


def test_what_is_wrong_for_a_data_set_is_said_in_words(tmp_path: Path) -> None:
    text = (presets.FOLDER / "fewshot-vision-quick.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text + '\n[datasets."vtab/dtd"]\ntraining = { epoch = 3 }\n')
    mine = presets.preset(str(path), "fewshot", "vision")
    with pytest.raises(SpecError, match=r"'vtab/dtd'.*unknown setting 'epoch'\. Did you"):
        mine.of("vtab/dtd")
    path.write_text(text + "\n[datasets.own]\nlrs = 3\n")
    with pytest.raises(SpecError, match=r"unknown setting 'lrs'\. Did you mean 'lr'\?"):
        presets.preset(str(path), "fewshot", "vision")


def test_the_rate_rises_and_then_falls_along_a_cosine() -> None:
    training = ClassTraining(lr=1e-3, seed=1, steps=100, warmup=0.1, lr_end=1e-5)
    rates = [training.learning_rate(step) for step in range(100)]
    assert rates[0] == 1e-6
    assert rates[5] == pytest.approx((1e-6 + 1e-3) / 2)
    assert rates.index(max(rates)) == 10
    assert rates[50] == pytest.approx((1e-5 + 1e-3) / 2)
    assert rates[99] == pytest.approx(1e-5, rel=0.05)
    for wrong in ({"warmup": 1.0}, {"head_lr": 0.0}):
        with pytest.raises(SpecError):
            ClassTraining(lr=1e-3, seed=1, steps=100, **wrong)


@pytest.mark.parametrize(
    "wrong", [{}, {"steps_per_shot": 1, "epochs": 1}, {"epochs": 0}, {"steps_per_shot": 0}]
)
def test_a_recipe_counts_shots_or_epochs(wrong: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=r"one of the two|use 1 or more"):
        ClassTrainingDefaults(**wrong)
