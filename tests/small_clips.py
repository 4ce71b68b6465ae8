"""Small random CLIPs in open_clip's layout, one for each kind of tower, and their makers."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import RobertaConfig

VIT = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
TIMM = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token"}
TEXT = {"context_length": 20, "vocab_size": 60, "width": 48, "heads": 2, "layers": 2}
SIGLIP_TEXT = {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
NORMAL = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.26, 0.27]}
SPREAD = 0.3  # of random weights, so that all of them reach the outputs


def config(vision: dict[str, Any] = VIT, **text: Any) -> dict[str, Any]:
    """An architecture, its text tower changed by some settings."""
    return {"embed_dim": 32, "vision_cfg": dict(vision), "text_cfg": TEXT | text}


def made(architecture: dict[str, Any], folder: Path, **settings: Any) -> Any:
    """open_clip's own model of an architecture, with weights that reach the outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {"model_cfg": architecture, "preprocess_cfg": NORMAL}
    (folder / "open_clip_config.json").write_text(json.dumps(index))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(
            f"local-dir:{folder}", load_weights=False, pretrained_text=False, **settings
        ).eval()
        for name, param in model.named_parameters():
            if param.ndim > 1:
                torch.nn.init.normal_(param, std=SPREAD / param[0].numel() ** 0.5)
            elif name.endswith("bias"):
                torch.nn.init.normal_(param, std=SPREAD)
    return model


def save_clip(folder: Path, architecture: dict[str, Any]) -> Any:
    """A folder in open_clip's layout; gives open_clip's own model, to compare with."""
    model = made(architecture, folder)
    save_file(state(model), folder / "open_clip_model.safetensors")
    return model


def state(model: Any) -> dict[str, Tensor]:
    """Its weights, as files hold them."""
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


def save_roberta(folder: Path) -> dict[str, Any]:
    """A small text tower of transformers, and what an architecture says of it."""
    RobertaConfig(
        vocab_size=60, hidden_size=48, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=96, max_position_embeddings=40, type_vocab_size=1,
    ).save_pretrained(folder)  # fmt: skip
    return {"hf_model_name": str(folder), "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}


def rows(count: int = 3, length: int = 20, words: int = 60) -> Tensor:
    """Prompts of different lengths whose end token is the last word."""
    generator = torch.Generator().manual_seed(2)
    tokens = torch.zeros(count, length, dtype=torch.int64)
    for row in range(count):
        end = 4 + 2 * row
        tokens[row, :end] = torch.randint(3, words - 1, (end,), generator=generator)
        tokens[row, end] = words - 1
    return tokens


def batch(side: int, count: int = 3) -> Tensor:
    """Pictures in [-1, 1]."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, side, side, generator=generator) * 2 - 1
