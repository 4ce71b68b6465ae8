"""A CLIP taken apart says what open_clip's own says, is tuned, and goes back to open_clip."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.model import Clip
from sparse_peft.backbones.clip.names import CONFIG_NAME
from sparse_peft.backbones.clip.outline import outline
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Method, Plan
from sparse_peft.methods.so import SO
from sparse_peft.methods.waveft import WaveFT
from sparse_peft.tuners.so.gradient_view import GradientView
from tests import small_clips
from tests.small_clips import RESNET, SIGLIP_TEXT, TIMM, VIT, batch, config, rows, save_clip

CPU = torch.device("cpu")
PLAN = Plan(steps=3, seed=1)
METHODS = [
    LoRA(rank=2, rslora=True),
    WaveFT(coefficients=40),
    SO(density=0.005, T=2),
]
KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "vit": lambda _: config(VIT),
    "quick": lambda _: config(VIT) | {"quick_gelu": True},
    "resnet": lambda _: config(RESNET),
    "timm": lambda _: config(TIMM, **SIGLIP_TEXT) | {"custom_text": True, "init_logit_bias": -10},
    "bert": lambda folder: config(VIT, **small_clips.save_roberta(folder / "bert")),
}


def features(model: Clip) -> Tensor:
    return torch.cat([model.pictures(batch(model.side)), model.texts(rows())])


def theirs(model: Any) -> Tensor:
    """The same of open_clip's own, which is told the normalisation."""
    settings = model.visual.preprocess_cfg
    mean, std = (torch.tensor(settings[n]).view(3, 1, 1) for n in ("mean", "std"))
    size = model.visual.image_size
    pictures = (batch(size if isinstance(size, int) else size[0]) + 1) / 2
    with torch.no_grad():
        return torch.cat(
            [
                model.encode_image((pictures - mean) / std, normalize=True),
                model.encode_text(rows(), normalize=True),
            ]
        )


def loaded(folder: Path, targets: str = "qkv") -> Clip:
    return clip.load(clip_source.resolve(str(folder)), CPU, targets)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["qkv", "packed"])
def test_it_says_what_open_clips_own_says(kind: str, targets: str, tmp_path: Path) -> None:
    own = save_clip(tmp_path / "clip", KINDS[kind](tmp_path))
    model = loaded(tmp_path / "clip", targets)
    found = features(model).detach()
    torch.testing.assert_close(found, theirs(own), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(6))
    assert model.scale == pytest.approx(own.logit_scale.exp().item())
    assert not any(param.requires_grad for part in model.components.values()
                   for param in part.parameters())  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["attention+mlp", "packed"])
def test_every_target_is_used_and_the_checkpoint_is_open_clips(
    kind: str, targets: str, tmp_path: Path
) -> None:
    own = save_clip(tmp_path / "clip", KINDS[kind](tmp_path))
    model = loaded(tmp_path / "clip", targets)
    before = own.state_dict()
    after = model.checkpoint()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    shapes = outline(f"local-dir:{model.source.folder}", targets)
    if kind not in ("timm", "bert"):
        assert shapes == clip_source.shapes(model.source, targets)
    attachment = LoRA(rank=1).attach(model.components, list(shapes), PLAN)
    optimizer = attachment.optimizer(1e-2)
    features(model)[:, 0].sum().backward()
    unused = [
        name
        for part in model.components.values()
        for name, param in part.named_parameters()
        if param.requires_grad and "lora_B" in name and not param.grad.abs().sum() > 0
    ]
    assert unused == []
    optimizer.step()
    tuned = features(model).detach()
    with pytest.raises(ValueError, match="remove it with keep=True"):
        model.checkpoint()
    attachment.remove(keep=True)
    own.load_state_dict(model.checkpoint(), strict=True)
    torch.testing.assert_close(theirs(own), tuned, rtol=0, atol=1e-5)


@pytest.mark.parametrize("targets", ["qkv", "packed", "attention:visual", "packed:text"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_tuned_clip_becomes_an_ordinary_checkpoint(
    method: Method, targets: str, tmp_path: Path
) -> None:
    own = save_clip(tmp_path / "clip", config(VIT))
    model = loaded(tmp_path / "clip", targets)
    untouched = features(model).detach()
    shapes = clip_source.shapes(model.source, targets)
    attachment = method.attach(model.components, list(shapes), PLAN)
    optimizer = attachment.optimizer(1e-2)
    for number in range(PLAN.steps):
        attachment.before_forward(number)
        features(model)[:, 0].sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    tuned = features(model).detach()
    for name, part in (("visual", slice(3)), ("text", slice(3, None))):
        moved = not torch.allclose(tuned[part], untouched[part], atol=1e-4)
        assert moved == any(target.startswith(name) for target in shapes)
    attachment.remove(keep=True)
    own.load_state_dict(model.checkpoint(), strict=True)
    torch.testing.assert_close(theirs(own), tuned, rtol=0, atol=1e-5)


@pytest.mark.parametrize("targets", ["qkv", "packed"])
def test_it_can_be_tuned_in_half_precision(targets: str, tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", config(VIT))
    model = loaded(tmp_path / "clip", targets)
    expected = features(model).detach()
    shapes = clip_source.shapes(model.source, targets)
    attachment = LoRA(rank=2).attach(model.components, list(shapes), PLAN)
    with torch.autocast("cpu", torch.bfloat16):
        found = features(model)
    torch.testing.assert_close(found.detach().float(), expected, rtol=0, atol=0.03)
    found[:, 0].sum().backward()
    params = attachment.optimizer(1e-3).param_groups[0]["params"]
    assert all(param.grad.isfinite().all() for param in params)


def test_the_builtin_goes_back_into_its_own_folder() -> None:
    source = clip_source.resolve("builtin")
    own = open_clip.create_model(f"local-dir:{source.folder}").eval()
    model = clip.load(source, CPU)
    own.load_state_dict(model.checkpoint(), strict=True)
    tokens = model.tokens(["a red cup", "a cat in the snow"])
    whole = open_clip.get_tokenizer(f"local-dir:{source.folder}")(
        ["a red cup", "a cat in the snow"]
    )
    assert tokens.shape[1] < whole.shape[1] == 24
    with torch.no_grad():
        expected = own.encode_text(whole, normalize=True)
    torch.testing.assert_close(model.texts(tokens), expected, rtol=0, atol=1e-5)
    assert model.side == 60


def test_sampled_gradients_of_the_packed_weight_are_its_own(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", config(VIT))
    model, dense = (loaded(tmp_path / "clip", "packed") for _ in range(2))
    targets = list(clip_source.shapes(model.source, "packed"))
    attachment = SO(density=0.004, T=2).attach(model.components, targets, PLAN)
    so = attachment.optimizer(1e-3)
    attachment.before_forward(0)
    features(model)[:, 0].sum().backward()
    for target in targets:
        component, _, path = target.partition("/")
        dense.components[component].get_parameter(f"{path}.weight").requires_grad_(True)
    features(dense)[:, 0].sum().backward()
    for target in targets:
        component, _, path = target.partition("/")
        weight = model.components[component].get_parameter(f"{path}.weight")
        assert type(weight.grad) is GradientView
        whole = dense.components[component].get_parameter(f"{path}.weight").grad.view(-1)
        found = so.sampled[weight].grad
        atol = 1e-5 * float(whole.abs().max())
        torch.testing.assert_close(found, whole[so.support(weight).long()], rtol=1e-4, atol=atol)


def test_prompts_are_whole_where_later_tokens_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_clip(tmp_path / "clip", config(VIT, **SIGLIP_TEXT) | {"custom_text": True})
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda _: lambda prompts: rows(len(prompts)))
    assert loaded(tmp_path / "clip").tokens(["a", "b"]).shape == (2, 20)
    save_clip(tmp_path / "causal", config(VIT))
    assert loaded(tmp_path / "causal").tokens(["a", "b"]).shape == (2, 7)


def test_random_weights_are_the_same_each_time(small_b16: dict[str, Any]) -> None:
    source = clip_source.resolve("ViT-B-16/random")
    first, second = (clip.load(source, CPU).checkpoint() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["visual.proj"].std() > 0
    assert small_b16["embed_dim"] == first["visual.proj"].shape[1]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_file_is_loaded_into_its_architecture(
    suffix: str, tmp_path: Path, small_b16: dict[str, Any]
) -> None:
    own = small_clips.made(small_b16, tmp_path / "own")
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": {f"module.{k}": v for k, v in own.state_dict().items()}}, file)
    else:
        save_file(small_clips.state(own), file)
    model = clip.load(clip_source.resolve(f"ViT-B/16@{file}"), CPU)
    found = model.checkpoint()
    assert all(torch.equal(found[name], tensor) for name, tensor in own.state_dict().items())


def test_a_file_as_openai_published_it_is_loaded_with_its_activation(
    tmp_path: Path, small_b16: dict[str, Any]
) -> None:
    own = small_clips.made(small_b16 | {"quick_gelu": True}, tmp_path / "own")
    holder = torch.nn.Module()
    for name, tensor in own.state_dict().items():
        inner = holder
        *path, last = name.split(".")
        for part in path:
            if not hasattr(inner, part):
                inner.add_module(part, torch.nn.Module())
            inner = getattr(inner, part)
        inner.register_buffer(last, tensor)
    holder.register_buffer("input_resolution", torch.tensor(32))
    holder.register_buffer("context_length", torch.tensor(20))
    holder.register_buffer("vocab_size", torch.tensor(60))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.save(torch.jit.script(holder), tmp_path / "ViT-B-16.pt")
    source = clip_source.resolve(f"ViT-B-16@{tmp_path / 'ViT-B-16.pt'}")
    assert source.quick_gelu
    model = clip.load(source, CPU)
    own.visual.preprocess_cfg = model.components["visual"].preprocess_cfg
    torch.testing.assert_close(features(model).detach(), theirs(own), rtol=0, atol=1e-5)


def test_what_is_exported_is_a_folder_in_open_clips_layout(
    tmp_path: Path, small_b16: dict[str, Any]
) -> None:
    own = small_clips.made(small_b16, tmp_path / "own")
    file = tmp_path / "weights.safetensors"
    save_file(small_clips.state(own), file)
    model = clip.load(clip_source.resolve(f"ViT-B-16@{file}"), CPU)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(model.config()))
    save_file(model.checkpoint(), folder / "open_clip_model.safetensors")
    again = loaded(folder)
    assert torch.equal(features(again), features(model))


def test_a_file_of_another_architecture_is_refused_in_words(
    tmp_path: Path, small_b16: dict[str, Any]
) -> None:
    assert small_b16
    other = small_clips.made(config(VIT | {"width": 32}), tmp_path / "own")
    save_file(small_clips.state(other), tmp_path / "w.safetensors")
    with pytest.raises(BackboneError, match=r"ViT-B-16 \(w\.safetensors\) could not be loaded"):
        clip.load(clip_source.resolve(f"ViT-B-16@{tmp_path / 'w.safetensors'}"), CPU)


@pytest.mark.parametrize("text", [b"", b"no tensors", b"\x80\x02cos\nsystem\n."])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_a_damaged_file_is_refused_in_words(
    tmp_path: Path, small_b16: dict[str, Any], text: bytes, name: str
) -> None:
    assert small_b16
    (tmp_path / name).write_bytes(text)
    with pytest.raises(BackboneError, match=r"could not be loaded: .* Fetch it again") as refused:
        clip.load(clip_source.resolve(f"ViT-B-16@{tmp_path / name}"), CPU)
    assert "arbitrary code" not in str(refused.value)


def test_a_configuration_that_is_damaged_meanwhile_is_said_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(clip_source.resolve("builtin").folder, tmp_path / "mine")
    source = clip_source.resolve(str(tmp_path / "mine"))
    (tmp_path / "mine" / CONFIG_NAME).write_text("{")
    with pytest.raises(SpecError, match="not valid JSON"):
        clip.load(source, CPU)


def test_a_missing_tokenizer_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    save_clip(tmp_path / "clip", config(VIT, hf_tokenizer_name="nobody/nothing"))
    with pytest.raises(BackboneError, match="the tokenizer of clip could not be loaded"):
        loaded(tmp_path / "clip").tokens(["a cat"])


def test_only_squares_are_taken(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", config(VIT | {"image_size": [32, 64]}))
    with pytest.raises(BackboneError, match="only squares"):
        loaded(tmp_path / "clip")
