"""Factors that others trained become a folder that we and PEFT open."""

import math
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor

from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.lora_file import read
from sparse_peft.errors import BackboneError
from sparse_peft.methods.adapters import open_adapter
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.lora_folder import save_factors
from tests.small_clips import VIT, batch, config, rows, save_clip

RANK, ALPHA = 3, 1.5
DEPTHS = (("text", 2, 48), ("visual", 2, 64))


def published(path: Path) -> dict[str, Tensor]:
    """A made-up file of CLIP-LoRA's; gives alpha / sqrt(r) B A of each target."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Any] = {}
    changes = {}
    for tower, depth, width in DEPTHS:
        for number in range(depth):
            layer = weights[f"layer_{len(weights)}"] = {}
            for name in ("q_proj", "k_proj", "v_proj"):
                a = torch.randn(RANK, width, generator=generator)
                b = torch.randn(width, RANK, generator=generator) / width
                layer[name] = {"w_lora_A": a, "w_lora_B": b}
                target = f"{tower}/transformer.resblocks.{number}.attn.{name}"
                changes[target] = ALPHA / math.sqrt(RANK) * b @ a
    metadata = {"r": RANK, "alpha": ALPHA, "encoder": "both", "params": ["q", "k", "v"]}
    torch.save({"weights": weights, "metadata": metadata | {"position": "all"}}, path)
    return changes


def test_an_imported_file_changes_each_weight_by_the_published_formula(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", config(VIT))
    source = clip_source.resolve(str(tmp_path / "clip"))
    model, plain = (clip.load(source, torch.device("cpu")) for _ in range(2))
    changes = published(tmp_path / "lora.pt")
    file = read(tmp_path / "lora.pt", clip_source.shapes(source, "attention"))
    method = LoRA(rank=file.rank, alpha=file.alpha, rslora=True)
    sha = clip_source.fingerprint(source)
    save_factors(tmp_path / "adapter", method, file.factors, source.id, sha)
    before = features(model)

    opened = open_adapter(tmp_path / "adapter", model.components, sha)
    assert set(opened.card.targets) == set(changes)
    with torch.no_grad():
        for target, change in changes.items():
            component, _, path = target.partition("/")
            plain.components[component].get_parameter(f"{path}.weight").add_(change)
    tuned = features(model)
    torch.testing.assert_close(tuned, features(plain), rtol=0, atol=1e-5)
    assert not torch.allclose(tuned, before, atol=1e-3)
    opened.remove()
    assert torch.equal(features(model), before)

    peft.PeftModel.from_pretrained(model.components["visual"], tmp_path / "adapter" / "visual")
    torch.testing.assert_close(features(model)[:3], tuned[:3], rtol=0, atol=1e-5)
    with pytest.raises(BackboneError, match="made for another backbone"):
        open_adapter(tmp_path / "adapter", plain.components, "0" * 64)


def features(model: clip.Clip) -> Tensor:
    with torch.no_grad():
        return torch.cat([model.pictures(batch(32)), model.texts(rows())])
