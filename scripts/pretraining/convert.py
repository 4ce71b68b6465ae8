"""open_clip's text tower as a transformers CLIPTextModel: the same outputs."""

import torch
from open_clip import CLIP
from transformers import CLIPTextConfig, CLIPTextModel

from .words import CONTEXT


def text_model(clip: CLIP) -> CLIPTextModel:
    """The text tower of `clip`; outputs are equal."""
    vocabulary, width = clip.token_embedding.weight.shape
    layers = len(clip.transformer.resblocks)
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        hidden_act="gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    model = CLIPTextModel(config)
    target = model.state_dict()
    root = "text_model." if any(k.startswith("text_model.") for k in target) else ""
    state = {
        "embeddings.token_embedding.weight": clip.token_embedding.weight,
        "embeddings.position_embedding.weight": clip.positional_embedding,
        "final_layer_norm.weight": clip.ln_final.weight,
        "final_layer_norm.bias": clip.ln_final.bias,
    }
    for i, block in enumerate(clip.transformer.resblocks):
        state |= _block(f"encoder.layers.{i}.", block)
    named = {root + k: v.detach().clone() for k, v in state.items()}
    missing, unexpected = model.load_state_dict(named, strict=False)
    assert not unexpected, unexpected
    assert all("position_ids" in k for k in missing), missing
    return model


def _block(prefix: str, block: torch.nn.Module) -> dict[str, torch.Tensor]:
    state = {}
    for kind in ("weight", "bias"):
        packed = getattr(block.attn, f"in_proj_{kind}").chunk(3)
        for name, part in zip(("q_proj", "k_proj", "v_proj"), packed, strict=True):
            state[f"{prefix}self_attn.{name}.{kind}"] = part
        for ours, theirs in (
            ("self_attn.out_proj", block.attn.out_proj),
            ("mlp.fc1", block.mlp.c_fc),
            ("mlp.fc2", block.mlp.c_proj),
            ("layer_norm1", block.ln_1),
            ("layer_norm2", block.ln_2),
        ):
            state[f"{prefix}{ours}.{kind}"] = getattr(theirs, kind)
    return state
