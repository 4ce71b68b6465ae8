"""A CLIP's attention with its projections as plain Linears, and back to the published layout.

open_clip keeps queries, keys and values in one parameter of `nn.MultiheadAttention`, and timm in
one Linear; neither can be adapted apart. What stands here in their place computes the same.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

PARTS = ("q_proj", "k_proj", "v_proj")


class SelfAttention(nn.Module):
    """Self-attention with one Linear for each of queries, keys and values, or one for the three.

    Args:
        old: what it takes the weights of.
    """

    def __init__(self, old: nn.MultiheadAttention, *, packed: bool) -> None:
        super().__init__()
        self.heads, self.batch_first = old.num_heads, old.batch_first
        if packed:
            self.in_proj = _linear(old.in_proj_weight, old.in_proj_bias)
        else:
            self.q_proj, self.k_proj, self.v_proj = _thirds(old.in_proj_weight, old.in_proj_bias)
        self.out_proj = _linear(old.out_proj.weight, old.out_proj.bias)

    def forward(
        self,
        query: Float[Tensor, "_ _ D"],
        key: Float[Tensor, "_ _ D"],
        value: Float[Tensor, "_ _ D"],
        need_weights: bool = False,  # noqa: ARG002 (as nn.MultiheadAttention is called)
        attn_mask: Float[Tensor, "*_ T T"] | None = None,
    ) -> tuple[Float[Tensor, "_ _ D"], None]:
        """What tokens gather from each other; the mask is added to the scores.

        The mask is one for all, or one for each head of each row, as `nn.MultiheadAttention` takes.
        """
        if key is not query or value is not query:
            raise ValueError("this is self-attention: query, key and value are one tensor")
        x = query if self.batch_first else query.transpose(0, 1)
        q, k, v = (_by_head(part, self.heads) for part in self._parts(x))
        if attn_mask is not None:
            attn_mask = attn_mask.to(q.dtype)  # which autocast may have made a half
            if attn_mask.ndim == 3:
                attn_mask = attn_mask.view(-1, self.heads, *attn_mask.shape[1:])
        gathered = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        out: Tensor = self.out_proj(gathered.transpose(1, 2).flatten(2))
        return out if self.batch_first else out.transpose(0, 1), None

    def _parts(self, x: Float[Tensor, "B T D"]) -> tuple[Tensor, ...]:
        if hasattr(self, "in_proj"):
            packed: Tensor = self.in_proj(x)
            return packed.chunk(3, dim=-1)
        return self.q_proj(x), self.k_proj(x), self.v_proj(x)


class SplitProjection(nn.Module):
    """Queries, keys and values of timm's attention, which goes on taking them as one."""

    def __init__(self, old: nn.Linear) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = _thirds(old.weight, old.bias)

    def forward(self, x: Float[Tensor, "B *tokens D"]) -> Float[Tensor, "B *tokens E"]:
        """The three beside each other."""
        return torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x)], dim=-1)


class AttentionPool(nn.Module):
    """The attention pool of a CLIP's ResNet, which calls its Linears, so that they can be adapted.

    Args:
        old: an `AttentionPool2d` of open_clip, whose parameters it takes over under their names.
    """

    def __init__(self, old: Any) -> None:
        super().__init__()
        self.positional_embedding: nn.Parameter = old.positional_embedding
        self.q_proj: nn.Linear = old.q_proj
        self.k_proj: nn.Linear = old.k_proj
        self.v_proj: nn.Linear = old.v_proj
        self.c_proj: nn.Linear = old.c_proj
        self.heads: int = old.num_heads

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """What the mean of all places gathers from it and from every place."""
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.positional_embedding.to(x.dtype)
        parts = (self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x))
        q, k, v = (_by_head(part, self.heads) for part in parts)
        gathered = F.scaled_dot_product_attention(q, k, v)
        pooled: Tensor = self.c_proj(gathered.transpose(1, 2).flatten(1))
        return pooled


def take_apart(model: Any, *, packed: bool) -> None:
    """Replace the attention in both towers of an open_clip model by ours.

    Args:
        packed: keep queries, keys and values in one weight.
    """
    from open_clip.modified_resnet import ModifiedResNet
    from open_clip.transformer import ResidualAttentionBlock
    from timm.layers.attention import Attention, AttentionRope

    for tower in (model.visual, model.text):
        for module in list(tower.modules()):
            if isinstance(module, ResidualAttentionBlock):
                module.attn = SelfAttention(module.attn, packed=packed)
            elif isinstance(module, ModifiedResNet):
                module.attnpool = AttentionPool(module.attnpool)
            elif isinstance(module, Attention | AttentionRope) and not packed:
                fused: Any = module
                fused.qkv = SplitProjection(fused.qkv) if fused.qkv else None


def published_layout(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model that was taken apart, by the names they had before."""
    state: dict[str, Tensor] = dict(model.state_dict())
    for path, module in model.named_modules():
        if isinstance(module, SelfAttention):
            # Parameters of nn.MultiheadAttention itself, not of a Linear inside it.
            names = ("in_proj",) if hasattr(module, "in_proj") else PARTS
            _join(state, [f"{path}.{name}." for name in names], f"{path}.in_proj_")
        elif isinstance(module, SplitProjection):
            _join(state, [f"{path}.{name}." for name in PARTS], f"{path}.")
    return state


def _join(state: dict[str, Tensor], prefixes: list[str], into: str) -> None:
    for kind in ("weight", "bias"):
        if f"{prefixes[0]}{kind}" in state:
            parts = [state.pop(f"{prefix}{kind}") for prefix in prefixes]
            state[f"{into}{kind}"] = torch.cat(parts)


def _by_head(x: Float[Tensor, "B T D"], heads: int) -> Float[Tensor, "B h T d"]:
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _thirds(weight: Tensor, bias: Tensor | None) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    q, k, v = (_linear(*pair) for pair in zip(weight.chunk(3), biases, strict=True))
    return q, k, v


def _linear(weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None) -> nn.Linear:
    """A Linear with copies of these, made without drawing weights first."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach().clone(), weight.requires_grad)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), bias.requires_grad)
    return made
