"""Weight files as their authors published them: made up, with the right names and shapes."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft.backbones.vision.weights import load_weights
from sparse_peft.errors import BackboneError
from tests.backbones.vision.test_vision import plain, spread

SWIN = {"embed_dim": 24, "depths": (1, 1, 2, 1)}
State = dict[str, Tensor]


def empty(name: str) -> Any:
    return timm.create_model(name, num_classes=0, **(SWIN if name.startswith("swin") else {}))


def same(model: Any, expected: Any) -> None:
    """Every weight has arrived, but for the head that is not there."""
    wanted = expected.state_dict()
    assert set(wanted) - set(model.state_dict()) <= {
        "head.weight", "head.bias", "head.fc.weight", "head.fc.bias"
    }  # fmt: skip
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, wanted[name], msg=name)


def google(model: Any) -> dict[str, np.ndarray]:
    """A ViT as Google's .npz files name it."""
    width, heads = model.embed_dim, model.blocks[0].attn.num_heads
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    found = {
        "cls": state["cls_token"],
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": state["head.weight"].T,
        "head/bias": state["head.bias"],
        "pre_logits/kernel": np.zeros((width, width), np.float32),
        "pre_logits/bias": np.zeros(width, np.float32),
    }
    for number in range(len(model.blocks)):
        own, into = f"blocks.{number}.", f"Transformer/encoderblock_{number}/"
        attention = f"{into}MultiHeadDotProductAttention_1/"
        for norm, there in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            found[f"{into}{there}/scale"] = state[f"{own}{norm}.weight"]
            found[f"{into}{there}/bias"] = state[f"{own}{norm}.bias"]
        weights = np.split(state[f"{own}attn.qkv.weight"], 3)
        biases = np.split(state[f"{own}attn.qkv.bias"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            found[f"{attention}{part}/kernel"] = weight.T.reshape(width, heads, -1)
            found[f"{attention}{part}/bias"] = bias.reshape(heads, -1)
        out = state[f"{own}attn.proj.weight"].T.reshape(heads, -1, width)
        found[f"{attention}out/kernel"] = out
        found[f"{attention}out/bias"] = state[f"{own}attn.proj.bias"]
        for layer, dense in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
            found[f"{into}MlpBlock_3/{dense}/kernel"] = state[f"{own}mlp.{layer}.weight"].T
            found[f"{into}MlpBlock_3/{dense}/bias"] = state[f"{own}mlp.{layer}.bias"]
    return found


def old_vit() -> Any:
    """A small ViT with a class token and a head on its norm, as ViT-B/16 has."""
    return spread(timm.create_model("vit_tiny_patch16_224", num_classes=5, depth=2, embed_dim=48))


def old_empty() -> Any:
    return timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2, embed_dim=48)


def test_googles_arrays_become_a_vit(tmp_path: Path) -> None:
    model = old_vit()
    np.savez(tmp_path / "ViT.npz", **google(model))
    found = old_empty()
    load_weights(found, tmp_path / "ViT.npz")
    same(found, model)


def mae(state: State) -> Any:
    """The encoder alone, in half precision, with what a pretraining has besides."""
    own = {name: tensor for name, tensor in state.items() if not name.startswith("head.")}
    besides = {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 48)}
    return {"model": own | besides, "epoch": 3}


def moco(state: State) -> Any:
    own = {f"module.base_encoder.{name}": tensor for name, tensor in state.items()}
    own["module.base_encoder.head.0.weight"] = torch.zeros(16, 48)
    slow = {f"module.momentum_encoder.{name}": -tensor for name, tensor in state.items()}
    return {"epoch": 300, "arch": "vit_base", "state_dict": own | slow}


def moco_linear(state: State) -> Any:
    own = {f"module.{name}": tensor for name, tensor in state.items()}
    return {"epoch": 90, "state_dict": own, "best_acc1": torch.tensor(76.0), "optimizer": {}}


@pytest.mark.parametrize("made", [mae, moco, moco_linear, dict])
def test_files_of_mae_and_moco_v3_become_a_vit(
    made: Callable[[State], Any], tmp_path: Path
) -> None:
    model = old_vit()
    torch.save(made(dict(model.state_dict())), tmp_path / "w.pth.tar")
    found = old_empty()
    load_weights(found, tmp_path / "w.pth.tar")
    same(found, model)


def test_weights_in_half_precision_become_single(tmp_path: Path) -> None:
    model = old_vit()
    save_file({n: t.half().contiguous() for n, t in model.state_dict().items()},
              tmp_path / "w.safetensors")  # fmt: skip
    found = old_empty()
    load_weights(found, tmp_path / "w.safetensors")
    assert found.norm.weight.dtype == torch.float32
    torch.testing.assert_close(found.cls_token, model.cls_token.half().float())


def test_microsofts_swin_has_its_reductions_a_stage_earlier(tmp_path: Path) -> None:
    model = spread(timm.create_model("swin_tiny_patch4_window7_224", num_classes=5, **SWIN))
    state: State = {}
    for name, tensor in model.state_dict().items():
        there = re.sub(r"layers\.(\d)\.downsample",
                       lambda m: f"layers.{int(m[1]) - 1}.downsample", name)  # fmt: skip
        state[there.replace("head.fc.", "head.")] = tensor
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49)
    torch.save({"model": state}, tmp_path / "swin.pth")
    found = empty("swin_tiny_patch4_window7_224")
    load_weights(found, tmp_path / "swin.pth")
    same(found, model)


def test_facebooks_convnext_has_other_names(tmp_path: Path) -> None:
    model = plain("test_convnext")
    state: State = {}
    for name, tensor in model.state_dict().items():
        there = re.sub(r"^stem\.", "downsample_layers.0.", name)
        there = re.sub(r"stages\.(\d)\.downsample\.", r"downsample_layers.\1.", there)
        there = re.sub(r"stages\.(\d)\.blocks\.", r"stages.\1.", there)
        there = there.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        there = there.replace("head.norm.", "norm.").replace("head.fc.", "head.")
        state[there] = tensor
    torch.save({"model": state}, tmp_path / "convnext.pth")
    found = empty("test_convnext")
    load_weights(found, tmp_path / "convnext.pth")
    same(found, model)


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return (open, (str(Hostile.place), "w"))

    place = Path("unset")


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    Hostile.place = tmp_path / "it ran"
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"model": Hostile()}, protocol=2))
    torch.save({"model": Hostile()}, tmp_path / "v.pth")
    np.savez(tmp_path / "w.npz", cls=np.array([Hostile()], dtype=object))
    for name in ("w.pth", "v.pth", "w.npz"):
        with pytest.raises(BackboneError, match=r"damaged, holds more|blocks"):
            load_weights(old_empty(), tmp_path / name)
    assert not Hostile.place.exists()


def test_a_file_of_another_architecture_is_refused_in_words(tmp_path: Path) -> None:
    model = old_vit()
    state = dict(model.state_dict())
    torch.save({n: t for n, t in state.items() if "blocks.1.mlp" not in n}, tmp_path / "less.pth")
    with pytest.raises(BackboneError, match=r"it lacks blocks\.1\.mlp\.fc1\.bias"):
        load_weights(old_empty(), tmp_path / "less.pth")
    torch.save(state | {"fc_norm.weight": torch.ones(48)}, tmp_path / "more.pth")
    with pytest.raises(BackboneError, match=r"it has besides fc_norm\.weight"):
        load_weights(old_empty(), tmp_path / "more.pth")
    arrays = google(model)
    np.savez(tmp_path / "less.npz", **{n: a for n, a in arrays.items() if "block_1/" not in n})
    with pytest.raises(BackboneError, match="has 1 blocks and vit_tiny_patch16_224 2"):
        load_weights(old_empty(), tmp_path / "less.npz")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(BackboneError, match=r"only a ViT is read from an \.npz"):
        load_weights(empty("test_convnext"), tmp_path / "w.npz")
    (tmp_path / "w.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BackboneError, match="is damaged"):
        load_weights(old_empty(), tmp_path / "w.safetensors")


def test_patches_of_another_size_are_refused_and_not_resampled(tmp_path: Path) -> None:
    own = {"num_classes": 0, "depth": 1, "embed_dim": 48, "num_heads": 3}
    other = timm.create_model("vit_tiny_patch16_224", patch_size=32, **own)
    state = dict(other.state_dict())
    pairs = {"w.pth": {"model": state}, "v.pth": moco(state)}
    for name, made in pairs.items():
        torch.save(made, tmp_path / name)
    arrays = google(spread(timm.create_model("vit_tiny_patch16_224", patch_size=32,
                                             **own | {"num_classes": 5})))  # fmt: skip
    np.savez(tmp_path / "w.npz", **arrays)
    for name in (*pairs, "w.npz"):
        model = timm.create_model("vit_tiny_patch16_224", **own)
        with pytest.raises(BackboneError, match=r"has shape .*32, 32\), not .*16, 16\)"):
            load_weights(model, tmp_path / name)


def test_pictures_of_another_size_resize_the_positions_alone(tmp_path: Path) -> None:
    own = {"num_classes": 0, "depth": 1, "embed_dim": 48, "num_heads": 3}
    other = timm.create_model("vit_tiny_patch16_224", img_size=112, **own)
    flat = dict(other.state_dict())
    flat["patch_embed.proj.weight"] = flat["patch_embed.proj.weight"].flatten(1)  # timm's first
    torch.save(flat, tmp_path / "w.pth")
    model = timm.create_model("vit_tiny_patch16_224", **own)
    load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.patch_embed.proj.weight, other.patch_embed.proj.weight)
    assert model.pos_embed.shape[1] != other.pos_embed.shape[1]


def test_windows_of_another_size_are_refused(tmp_path: Path) -> None:
    other = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, img_size=448,
                              window_size=14, **SWIN)  # fmt: skip
    torch.save({"model": other.state_dict()}, tmp_path / "w.pth")
    with pytest.raises(BackboneError, match=r"relative_position_bias_table has shape \(729, \d"):
        load_weights(empty("swin_tiny_patch4_window7_224"), tmp_path / "w.pth")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = old_vit()
    model.norm.weight.data[3] = torch.nan
    torch.save(dict(model.state_dict()), tmp_path / "w.pth")
    np.savez(tmp_path / "w.npz", **google(model))
    for name in ("w.pth", "w.npz"):
        with pytest.raises(BackboneError, match="not finite"):
            load_weights(old_empty(), tmp_path / name)
