"""Attention taken apart computes what it did, and goes back to the layout it came from."""

import pytest
import torch
from open_clip.modified_resnet import AttentionPool2d
from timm.layers.attention import Attention, AttentionRope
from torch import Tensor, nn

from sparse_peft.backbones.clip.attention import (
    AttentionPool,
    SelfAttention,
    SplitProjection,
    published_layout,
)

WIDTH, HEADS, LENGTH, ROWS = 24, 3, 7, 2


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


def inputs() -> Tensor:
    return torch.randn(ROWS, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1))


def causal() -> Tensor:
    return torch.full((LENGTH, LENGTH), -torch.inf).triu(1)


def theirs(batch_first: bool = True) -> nn.MultiheadAttention:
    found = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first).eval()
    nn.init.normal_(found.in_proj_bias)
    nn.init.normal_(found.out_proj.bias)
    return found


def masks() -> dict[str, Tensor | None]:
    each = torch.randn(ROWS * HEADS, LENGTH, LENGTH, generator=torch.Generator().manual_seed(3))
    return {"none": None, "causal": causal(), "each head": each + causal()}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("mask", masks().values(), ids=masks())
def test_it_equals_multihead_attention(
    batch_first: bool, packed: bool, mask: Tensor | None
) -> None:
    old = theirs(batch_first)
    ours = SelfAttention(old, packed=packed)
    x = inputs() if batch_first else inputs().transpose(0, 1)
    expected, _ = old(x, x, x, need_weights=False, attn_mask=mask)
    found, weights = ours(x, x, x, need_weights=False, attn_mask=mask)
    assert weights is None
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_its_gradients_are_those_of_the_packed_weight() -> None:
    old = theirs()
    split, packed = SelfAttention(old, packed=False), SelfAttention(old, packed=True)
    x = inputs()
    for module in (old, split, packed):
        module(x, x, x, need_weights=False, attn_mask=causal())[0].square().sum().backward()
    thirds = [split.q_proj, split.k_proj, split.v_proj]
    for found in (torch.cat([part.weight.grad for part in thirds]), packed.in_proj.weight.grad):
        torch.testing.assert_close(found, old.in_proj_weight.grad, rtol=1e-4, atol=1e-5)


def test_it_refuses_to_look_elsewhere() -> None:
    ours = SelfAttention(theirs(), packed=False)
    with pytest.raises(ValueError, match="self-attention"):
        ours(inputs(), inputs(), inputs())


def test_it_holds_plain_linears_and_copies() -> None:
    old = theirs()
    ours = SelfAttention(old.requires_grad_(False), packed=False)
    assert {name for name, _ in ours.named_children()} == {"q_proj", "k_proj", "v_proj", "out_proj"}
    assert {type(module) for module in ours.children()} == {nn.Linear}
    assert not any(param.requires_grad for param in ours.parameters())
    ours.q_proj.weight.zero_()
    assert old.in_proj_weight.ne(0).all()


@pytest.mark.parametrize("packed", [True, False])
def test_the_published_layout_is_what_it_was(packed: bool) -> None:
    old = nn.Sequential(theirs(), nn.Linear(3, 2))
    expected = {name: tensor.clone() for name, tensor in old.state_dict().items()}
    found = published_layout(nn.Sequential(SelfAttention(old[0], packed=packed), old[1]))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("kind", [Attention, AttentionRope])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("norms", [True, False])
def test_timms_attention_is_split_without_a_difference(
    kind: type[nn.Module], bias: bool, norms: bool
) -> None:
    module = kind(WIDTH, HEADS, qkv_bias=bias, qk_norm=norms, norm_layer=nn.LayerNorm).eval()
    if norms:
        nn.init.normal_(module.q_norm.weight)
        nn.init.normal_(module.k_norm.weight)
    expected, before = module(inputs()), {k: v.clone() for k, v in module.state_dict().items()}
    module.qkv = SplitProjection(module.qkv)
    assert [type(part) for part in module.qkv.children()] == [nn.Linear] * 3
    torch.testing.assert_close(module(inputs()), expected, rtol=0, atol=1e-5)
    after = published_layout(module)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_pool_of_a_resnet_calls_its_linears_and_computes_the_same() -> None:
    old = AttentionPool2d(4, WIDTH, HEADS, 10).eval()
    names = old.state_dict().keys()
    x = torch.randn(ROWS, WIDTH, 4, 4, generator=torch.Generator().manual_seed(4))
    expected = old(x)
    ours = AttentionPool(old)
    assert ours.state_dict().keys() == names
    called = []
    for name, linear in ours.named_children():
        linear.register_forward_hook(lambda *_, name=name: called.append(name))
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-5)
    assert sorted(called) == ["c_proj", "k_proj", "q_proj", "v_proj"]
