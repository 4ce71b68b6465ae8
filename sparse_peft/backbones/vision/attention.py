"""timm's attention with queries, keys and values as Linears of their own."""

from typing import Any

from torch import nn

from sparse_peft.backbones.clip.attention import SplitProjection


def take_apart(model: nn.Module) -> None:
    """Replace the fused projection of each attention in a ViT or Swin by three Linears.

    `clip.attention.published_layout` gives the tensors under the names they had before.
    """
    from timm.layers.attention import Attention, AttentionRope
    from timm.models.swin_transformer import WindowAttention

    for module in list(model.modules()):
        if isinstance(module, Attention | AttentionRope | WindowAttention):
            fused: Any = module
            fused.qkv = SplitProjection(fused.qkv) if fused.qkv else None
