"""Prompts no longer than they need to be, where a CLIP's text tower cannot tell the difference.

Where a token sees only those before it and the feature is read at the end token, nothing after the
last end token of a batch is ever seen: cutting it off is exact.
"""

from typing import Any

from jaxtyping import Int
from torch import Tensor, nn


def can_cut(text: nn.Module) -> bool:
    """Whether a text tower is causal and reads its feature at the end token, by its own settings.

    CoCa's reads it at a token of its own after the last, SigLIP's at the last place, and towers of
    transformers see all tokens.
    """
    from open_clip.transformer import TextTransformer

    if not isinstance(text, TextTransformer):
        return False
    causal = text.attn_mask is not None
    return causal and text.cls_emb is None and text.pool_type in ("argmax", "eos")


def cut(text: Any, tokens: Int[Tensor, "K L"]) -> Int[Tensor, "K T"]:
    """The tokens up to the last place at which the tower will read a feature.

    Args:
        text: a tower that `can_cut`.
    """
    ends = (
        tokens.argmax(1) if text.pool_type == "argmax" else (tokens == text.eos_id).int().argmax(1)
    )
    return tokens[:, : int(ends.max()) + 1]


def let_cut(text: Any) -> None:
    """Make a tower that `can_cut` take prompts shorter than its whole context.

    Its mask is made for the whole context, and its blocks take masks of their own size only.
    """

    def crop(
        _: nn.Module, args: tuple[Tensor], kwargs: dict[str, Tensor]
    ) -> tuple[tuple[Tensor], dict[str, Tensor]]:
        length = args[0].shape[1]
        return args, {**kwargs, "attn_mask": kwargs["attn_mask"][:length, :length]}

    text.transformer.register_forward_pre_hook(crop, with_kwargs=True)
