"""A small ViT of timm as the page knows it: what a process would tell of its first blocks."""

from sparse_peft.backbones.vision.shapes import Outline

NAME = "timm:test_vit/random"
WIDTH, INNER, BLOCKS, SIDE = 64, 192, 2, 160
VALUES = 306_240  # of all its weights, all its blocks, without a head

_BLOCK = {
    **{f"attn.qkv.{part}_proj": (WIDTH, WIDTH) for part in "qkv"},
    "attn.proj": (WIDTH, WIDTH),
    "mlp.fc1": (INNER, WIDTH),
    "mlp.fc2": (WIDTH, INNER),
}
OUTLINE = Outline(
    {f"blocks.{n}.{path}": shape for n in range(BLOCKS) for path, shape in _BLOCK.items()},
    SIDE,
    "timm/test_vit.r160_in1k",
    VALUES,
)
UNIT = BLOCKS * (4 * 2 * WIDTH + 2 * (WIDTH + INNER))  # LoRA rank 1 on all of them
