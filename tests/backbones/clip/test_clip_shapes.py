"""What can be tuned is counted without building it, and is what the built model has."""

import copy
import sys
from typing import Any

import open_clip
import pytest

from sparse_peft.backbones.clip import shapes as clip_shapes
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.outline import main, outline
from sparse_peft.backbones.clip.shapes import TARGETS
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan, Shapes
from sparse_peft.methods.so import SO

PLAN = Plan(steps=1, seed=0)
PUBLISHED = 1 - 0.99995  # the density of SO's code, which is not quite 5e-5


def shapes(name: str, targets: str) -> Shapes:
    return clip_source.shapes(clip_source.resolve(name), targets)


def active(method: LoRA | SO, found: Shapes) -> int:
    return method.footprint(found, PLAN).active


def test_so_counts_what_was_published_for_the_packed_vit_b_16() -> None:
    packed = shapes("ViT-B-16/random", "packed")
    assert len(packed) == 96
    assert sum(out * into for out, into in packed.values()) == 122_683_392
    assert active(SO(density=PUBLISHED), packed) == active(SO(density=5e-5), packed) == 6_084
    assert active(SO(density=5e-4), packed) == 61_296
    assert packed["visual/transformer.resblocks.3.attn.in_proj"] == (2304, 768)
    assert packed["text/transformer.resblocks.11.mlp.c_fc"] == (2048, 512)


def test_so_counts_less_where_each_is_rounded_down_apart() -> None:
    split = shapes("ViT-B-16/random", "attention+mlp")
    assert len(split) == 144
    assert sum(out * into for out, into in split.values()) == 122_683_392
    assert active(SO(density=PUBLISHED), split) == active(SO(density=5e-5), split) == 6_072
    assert active(SO(density=5e-4), split) == 61_272


@pytest.mark.parametrize(
    ("name", "values"), [("ViT-B-16", 184_320), ("ViT-B-32", 184_320), ("ViT-L-14", 405_504)]
)
def test_clip_lora_counts_what_was_published(name: str, values: int) -> None:
    assert active(LoRA(rank=2), shapes(f"{name}/random", "qkv")) == values


def test_clip_lora_leaves_the_output_projection_alone() -> None:
    found = shapes("ViT-B-16/random", "qkv")
    assert len(found) == 72
    assert {name.rpartition(".")[2] for name in found} == {"q_proj", "k_proj", "v_proj"}


@pytest.mark.parametrize("targets", TARGETS)
def test_a_tower_alone_is_its_part_of_both(targets: str) -> None:
    both = shapes("ViT-B-16/random", targets)
    parts = [shapes("ViT-B-16/random", f"{targets}:{tower}") for tower in ("text", "visual")]
    assert parts[0] | parts[1] == both
    assert all(name.startswith("text/") for name in parts[0])
    assert list(both) == sorted(both)


@pytest.mark.parametrize("name", ["ViT-B-32", "RN50"])
@pytest.mark.parametrize("targets", ["attention", "attention+mlp", "packed", "qkv:text"])
def test_they_are_those_of_the_model_as_open_clip_builds_it(name: str, targets: str) -> None:
    assert shapes(f"{name}/random", targets) == outline(name, targets)


def shallow(config: dict[str, Any]) -> dict[str, Any]:
    """The same architecture with a few layers where it says how many there are."""
    made = copy.deepcopy(config)
    for tower in (made["vision_cfg"], made["text_cfg"]):
        if isinstance(tower.get("layers"), list):
            tower["layers"] = [1] * len(tower["layers"])
        elif "layers" in tower:
            tower["layers"] = 2
    return made


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["attention+mlp", "packed"])
def test_they_are_right_for_every_architecture_that_is_counted(
    targets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    for name in open_clip.list_models():
        config = shallow(open_clip.get_model_config(name))
        if clip_shapes.is_native(config, clip_shapes.towers(targets)):
            counted += 1
            monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
            assert clip_shapes.native(config, targets) == outline(name, targets), name
    assert counted > 50


@pytest.mark.slow
def test_towers_of_timm_are_built_in_another_process() -> None:
    found = shapes("ViT-B-16-SigLIP/random", "packed")
    assert found == outline("ViT-B-16-SigLIP", "packed")


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["qkv", "packed"])
def test_towers_of_timm_have_the_targets_of_their_own_blocks(targets: str) -> None:
    found = outline("ViT-B-16-SigLIP", targets)
    assert len(found) == {"qkv": 72, "packed": 96}[targets]
    ends = {name.partition(".5.")[2] for name in found if ".5." in name}
    assert {"attn.qkv.q_proj", "attn.q_proj"} <= ends or {"attn.qkv", "attn.in_proj"} <= ends


def test_the_other_process_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    folder = clip_source.resolve("builtin").folder
    main([f"local-dir:{folder}", "qkv:text"])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.count("[192, 192]") == 9


def test_what_cannot_be_built_ends_the_other_process_with_its_name() -> None:
    with pytest.raises(RuntimeError, match="no-such-model"):  # whose last line `asked` repeats
        main(["no-such-model", "qkv"])


def test_a_process_that_dies_without_a_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(BackboneError, match="no reason given"):
        clip_shapes.built("no-such-model", "packed")


def test_a_resnet_has_its_pool_and_its_text_tower() -> None:
    found = shapes("RN50/random", "attention:visual")
    assert found == {
        "visual/attnpool.c_proj": (1024, 2048), "visual/attnpool.k_proj": (2048, 2048),
        "visual/attnpool.q_proj": (2048, 2048), "visual/attnpool.v_proj": (2048, 2048),
    }  # fmt: skip
    assert len(shapes("RN50/random", "qkv:text")) == 36


@pytest.mark.parametrize("targets", ["qkv", "qkv:visual"])
def test_clip_lora_is_refused_on_a_resnet_in_words(targets: str) -> None:
    source = clip_source.resolve("RN50/random")
    with pytest.raises(BackboneError, match=r"convolutional network.*'attention'.*'qkv:text'.*ViT"):
        clip_source.refuse_convolutional(source, targets)
    with pytest.raises(BackboneError, match="convolutional network"):
        clip_source.shapes(source, targets)
    for allowed in ("attention", "packed", "qkv:text", "attention:visual"):
        clip_source.refuse_convolutional(source, allowed)
    clip_source.refuse_convolutional(clip_source.resolve("ViT-B-16/random"), targets)


def test_a_tower_without_such_layers_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    only_text = {"text/transformer.resblocks.0.attn.q_proj": (4, 4)}
    monkeypatch.setattr(clip_shapes, "built", lambda *_: only_text)
    with pytest.raises(BackboneError, match="its picture encoder has no layer that 'qkv' names"):
        shapes("convnext_base/random", "qkv")


@pytest.mark.parametrize("targets", ["", "qvk", "qkv:", "qkv:vision", ":text", "attention+ff"])
def test_unknown_targets_are_refused_in_words(targets: str) -> None:
    with pytest.raises(SpecError, match=r"expected one of qkv, attention, attention\+mlp, packed"):
        shapes("builtin", targets)


def test_names_of_other_families_are_chosen_by_their_ends() -> None:
    linears: dict[str, Any] = dict.fromkeys(
        [
            "visual/trunk.blocks.0.attn.qkv.q_proj", "visual/trunk.blocks.0.attn.proj",
            "visual/trunk.attn_pool.q", "visual/trunk.attn_pool.mlp.fc1",
            "visual/trunk.blocks.0.mlp.fc1", "visual/head.proj",
            "text/transformer.encoder.layer.1.attention.self.query",
            "text/transformer.encoder.layer.1.attention.output.dense",
            "text/transformer.encoder.layer.1.output.dense", "text/proj.0",
        ],
        (1, 1),
    )  # fmt: skip
    counts = {targets: len(clip_shapes.chosen(linears, targets)) for targets in TARGETS}
    assert counts == {"qkv": 2, "attention": 4, "attention+mlp": 6, "packed": 5}
