"""Cutting prompts after their last end token changes nothing, where it is done at all."""

import pytest
import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from sparse_peft.backbones.clip.text import can_cut, cut, let_cut
from tests.small_clips import rows

WORDS = 60


def tower(**settings: object) -> TextTransformer:
    torch.manual_seed(0)
    made = TextTransformer(
        context_length=20, vocab_size=WORDS, width=48, heads=2, layers=2, output_dim=32, **settings
    )
    return made.eval()


@pytest.mark.parametrize("settings", [{}, {"pool_type": "eos", "eos_id": WORDS - 1}])
def test_features_and_gradients_are_the_same(settings: dict[str, object]) -> None:
    text = tower(**settings)
    assert can_cut(text)
    whole = rows()
    expected, gradients = passed(text, whole)
    let_cut(text)
    short = cut(text, whole)
    assert short.shape == (3, 9)  # the longest prompt ends at place 8
    assert torch.equal(short, whole[:, :9])
    found, again = passed(text, short)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    for name, gradient in gradients.items():
        atol = 1e-5 * float(gradient.abs().max())
        torch.testing.assert_close(again[name], gradient, rtol=0, atol=atol, msg=name)
    torch.testing.assert_close(passed(text, whole)[0], expected)  # the whole is still taken


def test_the_feature_is_read_at_the_first_end_token() -> None:
    text = tower(pool_type="eos", eos_id=5)
    tokens = torch.tensor([[1, 2, 5, 9, 9, 5], [1, 5, 9, 9, 9, 5]])
    assert cut(text, tokens).shape == (2, 3)
    assert cut(tower(), torch.tensor([[1, 59, 0, 0], [1, 2, 3, 59]])).shape == (2, 4)


@pytest.mark.parametrize(
    "settings",
    [
        {"no_causal_mask": True, "pool_type": "last"},  # SigLIP
        {"no_causal_mask": True},
        {"pool_type": "last"},
        {"pool_type": "first"},
        {"embed_cls": True},  # CoCa
    ],
)
def test_a_tower_that_sees_what_comes_after_is_not_cut(settings: dict[str, object]) -> None:
    assert not can_cut(tower(**settings))


def test_a_tower_of_another_kind_is_not_cut() -> None:
    assert not can_cut(nn.Linear(2, 2))


def passed(text: TextTransformer, tokens: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Features, and the gradients of everything that every prompt uses."""
    text.zero_grad()
    features = text(tokens)
    (features * torch.linspace(-1, 1, 32)).sum().backward()
    found = {n: p.grad.clone() for n, p in text.named_parameters() if p.grad is not None}
    assert len(found) == len(list(text.parameters()))
    return features.detach(), found
