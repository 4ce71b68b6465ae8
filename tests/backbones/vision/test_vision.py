"""A vision backbone: timm's own outputs, q, k and v apart, its view of pictures, and its export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from sparse_peft.backbones import source as sources
from sparse_peft.backbones.vision import model as vision
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.backbones.vision.view import View
from sparse_peft.errors import SpecError
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from tests.small_clips import SPREAD

CPU = torch.device("cpu")
NAMES = ("test_vit", "swin_tiny_patch4_window7_224", "test_convnext")


def spread(model: nn.Module) -> nn.Module:
    """The model with weights that all reach its outputs."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for name, param in model.named_parameters():
            if param.ndim > 1:
                nn.init.normal_(param, std=SPREAD / param[0].numel() ** 0.5)
            elif name.endswith("bias"):
                nn.init.normal_(param, std=SPREAD)
    return model.eval()


def plain(name: str, classes: int = 5) -> Any:
    """timm's own model, which is small in test_vit and test_convnext."""
    small = {"embed_dim": 24, "depths": (1, 1, 2, 1)} if name.startswith("swin") else {}
    return spread(timm.create_model(name, num_classes=classes, **small))


@pytest.fixture
def small_swin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest of timm's Swins takes seconds; ours is like it and smaller."""
    real: Callable[..., Any] = timm.create_model

    def made(name: str, **settings: Any) -> Any:
        if name.startswith("swin"):
            settings |= {"embed_dim": 24, "depths": (1, 1, 2, 1)}
        return real(name, **settings)

    monkeypatch.setattr(timm, "create_model", made)


def pixels(side: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def saved(model: Any, folder: Path) -> Path:
    path = folder / "model.safetensors"
    save_file({n: t.contiguous() for n, t in model.state_dict().items()}, path)
    return path


def opened(name: str, path: Path, view: View | None = None) -> vision.Vision:
    source = VisionSource("x", path.parent, "vision", name, architecture=name, weights=path)
    return vision.load(source, CPU, view)


@pytest.mark.usefixtures("small_swin")
@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_timms_own_model(name: str, tmp_path: Path) -> None:
    model = plain(name)
    ours = opened(name, saved(model, tmp_path))
    batch = pixels(ours.side)
    settings = model.pretrained_cfg
    mean, std = (torch.tensor(settings[part]).view(3, 1, 1) for part in ("mean", "std"))
    with torch.no_grad():
        whole = model.forward_features(((batch + 1) / 2 - mean) / std)
        expected = model.forward_head(whole, pre_logits=True)
        found = ours.pictures(batch)
    assert found.shape == (2, ours.width)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert expected.std() > 1e-2
    assert not any(param.requires_grad for param in ours.components["visual"].parameters())


@pytest.mark.usefixtures("small_swin")
@pytest.mark.parametrize("name", NAMES)
def test_a_tuned_backbone_loads_strictly_into_timms_own_model(name: str, tmp_path: Path) -> None:
    model = plain(name)
    ours = opened(name, saved(model, tmp_path))
    targets = [
        f"visual/{path}"
        for path, module in ours.components["visual"].named_modules()
        if path.endswith(("q_proj", "k_proj", "v_proj", "mlp.fc1"))
        and isinstance(module, nn.Linear)
    ]
    attachment = LoRA(rank=2).attach(ours.components, targets, Plan(1, 0))
    attachment.optimizer(1.0)
    with torch.no_grad():
        for leaf in attachment.leaves():
            leaf.copy_(torch.randn(leaf.shape, generator=torch.Generator().manual_seed(5)) * 0.1)
    batch = pixels(ours.side)
    weight, bias = torch.randn(5, ours.width), torch.randn(5)
    with torch.no_grad():
        expected = ours.pictures(batch) @ weight.T + bias
    with pytest.raises(ValueError, match="an adapter is attached"):
        ours.checkpoint(weight, bias)
    attachment.remove(keep=True)
    state = ours.checkpoint(weight, bias)
    assert {n: t.shape for n, t in state.items()} == {
        n: t.shape for n, t in model.state_dict().items()
    }
    before = model.state_dict()
    fused = [name for name in before if ".qkv.weight" in name]
    assert not any(torch.equal(state[name], before[name]) for name in fused)
    model.load_state_dict(state)
    normal = model.pretrained_cfg
    mean, std = (torch.tensor(normal[part]).view(3, 1, 1) for part in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(
            model(((batch + 1) / 2 - mean) / std), expected, rtol=1e-4, atol=1e-4
        )


def test_random_weights_are_the_same_every_time() -> None:
    source = sources.resolve("timm:test_vit/random", "fewshot")
    one, other = vision.load(source, CPU), vision.load(source, CPU)
    state = other.components["visual"].state_dict()
    assert all(torch.equal(t, state[n]) for n, t in one.components["visual"].state_dict().items())
    assert (one.side, one.width, one.scale) == (160, 64, 1.0)
    assert one.cls_token is not None


def test_a_recipes_view_takes_the_place_of_the_backbones_own() -> None:
    source = sources.resolve("timm:test_vit/random", "fewshot")
    tall = Image.new("RGB", (100, 300), (10, 20, 30))
    tall.paste((200, 100, 0), (0, 0, 100, 40))  # a band that a central square does not reach
    own, whole = vision.load(source, CPU), vision.load(source, CPU, View(crop="whole", share=1.0))
    assert own.frame()(tall).size == whole.frame()(tall).size == (160, 160)
    assert own.frame()(tall).getpixel((80, 0))[0] < 20
    assert whole.frame()(tall).getpixel((80, 0))[0] > 190
    assert own.preprocessing()["mean"] == (0.5, 0.5, 0.5)
    view = View(share=0.875, interpolation="bilinear", normal="imagenet")
    told = vision.load(source, CPU, view).preprocessing()
    assert told["mean"] == [0.485, 0.456, 0.406]
    assert (told["crop_pct"], told["interpolation"], told["crop_mode"]) == (
        0.875, "bilinear", "center",
    )  # fmt: skip
    with pytest.raises(SpecError, match=r"view\.share is 2"):
        View(share=2.0)


def test_branches_are_left_out_only_where_that_is_asked_for() -> None:
    source = sources.resolve("timm:test_vit/random", "fewshot")
    ours = vision.load(source, CPU, drop_path=0.5)
    batch = pixels(160, 8)
    with torch.no_grad():
        still = [ours.pictures(batch) for _ in range(2)]
        ours.drop_paths()
        moving = [ours.pictures(batch) for _ in range(2)]
    assert torch.equal(*still)
    assert not torch.equal(*moving)
