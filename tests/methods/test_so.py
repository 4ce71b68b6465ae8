"""SO takes the largest density within a budget, on the layouts that it is for."""

import pytest

from sparse_peft.methods.method import Plan, Shapes
from sparse_peft.methods.so import SO

STOPS = range(-24, 25)  # quarter doublings of LoRA's rank 1: from 1/64 to 64 times it


def clip_vit_b_16(packed: bool) -> Shapes:
    """Attention and MLP of both towers, q, k and v in one or apart."""
    found = {}
    for tower, width in (("visual", 768), ("text", 512)):
        for block in range(12):
            inputs = {"qkv": 3 * width} if packed else dict.fromkeys("qkv", width)
            for name, out in {**inputs, "out": width, "up": 4 * width}.items():
                found[f"{tower}/{block}.{name}"] = (out, width)
            found[f"{tower}/{block}.down"] = (width, 4 * width)
    return found


def sdxl_attention() -> Shapes:
    """The 560 q, k, v and output weights of SDXL's UNet."""
    found = {}
    for width, blocks in ((640, 10), (1280, 60)):
        for block in range(blocks):
            for name in ("q", "k", "v", "out"):
                found[f"unet/{width}.{block}.self.{name}"] = (width, width)
                text = name in "kv"
                found[f"unet/{width}.{block}.cross.{name}"] = (width, 2048 if text else width)
    return found


LAYOUTS = {
    "split": clip_vit_b_16(packed=False),
    "packed": clip_vit_b_16(packed=True),
    "sdxl": sdxl_attention(),
}


def lora_rank_one(shapes: Shapes) -> int:
    return sum(out + into for out, into in shapes.values())


def test_the_layouts_are_the_published_ones():
    assert {name: len(shapes) for name, shapes in LAYOUTS.items()} == {
        "split": 144, "packed": 96, "sdxl": 560
    }  # fmt: skip
    assert sum(out * into for out, into in LAYOUTS["packed"].values()) == 122_683_392
    assert lora_rank_one(LAYOUTS["sdxl"]) == 1_451_520
    published = SO(density=5e-4).footprint(LAYOUTS["packed"], Plan(1, 0))
    assert published.active == 61_296


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_budget_of_the_dial_is_used_to_within_two_per_cent(layout):
    shapes = LAYOUTS[layout]
    for stop in STOPS:
        budget = round(lora_rank_one(shapes) * 2 ** (stop / 4))
        fitted = SO().fit(budget, shapes)
        active = fitted.footprint(shapes, Plan(1, 0)).active
        whole = sum(out * into for out, into in shapes.values())
        assert 0.98 * min(budget, whole) <= active <= budget, (stop, fitted)
