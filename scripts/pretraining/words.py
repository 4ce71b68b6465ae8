"""The tokenizer: CLIP's byte pairs, cut after the merges that a small vocabulary needs."""

import gzip
import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode, default_bpe
from transformers import CLIPTokenizer

VOCABULARY = {
    "clip": 8_192,
    "judge": 4_096,  # it reads short class names and places only
    "fewshot": 8_192,
}
ALPHABET = 2 * 256 + 2  # 256 bytes, the same at a word's end, two special tokens
CONTEXT = 24
SEED = {"clip": 21, "judge": 22, "fewshot": 23}
VISION = {"image_size": 64, "layers": 5, "width": 192, "head_width": 48, "patch_size": 8}
# Fewer, larger patches and a layer more: as good at naming, and trained twice as fast.
VISION_FEWSHOT = VISION | {"image_size": 60, "patch_size": 12, "layers": 6}


def architecture(name: str) -> dict[str, Any]:
    """What open_clip calls the model configuration of `clip`, `judge` or `fewshot`."""
    vision = VISION_FEWSHOT if name == "fewshot" else VISION
    text = {"vocab_size": VOCABULARY[name], "context_length": CONTEXT, "width": 192, "heads": 4}
    return {"embed_dim": 192, "vision_cfg": vision, "text_cfg": text | {"layers": 3}}


def folder_of(work: Path, name: str) -> Path:
    """Where the tokenizer of `clip`, `judge` or `fewshot` lies; written at the first call."""
    folder = work / f"tokenizer-{name}"
    if not (folder / "vocab.json").exists():
        _write(folder, VOCABULARY[name] - ALPHABET)
    return folder


def _write(folder: Path, count: int) -> None:
    """Write `merges.txt` and `vocab.json` for transformers, `merges.txt.gz` for open_clip."""
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as lines:
        merges = lines.read().split("\n")[1 : count + 1]
    text = "\n".join(["#version: 0.2", *merges])  # open_clip reads a last newline as one merge more
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    with (
        open(folder / "merges.txt.gz", "wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as out,
    ):
        out.write(text.encode())
    letters = list(bytes_to_unicode().values())
    words = letters + [v + "</w>" for v in letters] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(
        json.dumps({w: i for i, w in enumerate(words)}), encoding="utf-8"
    )


def for_transformers(folder: Path) -> CLIPTokenizer:
    """The tokenizer as a Stable Diffusion pipeline holds it."""
    return CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        model_max_length=CONTEXT,
        pad_token="<|endoftext|>",
    )


def for_open_clip(folder: Path) -> SimpleTokenizer:
    """The same tokenizer as open_clip holds it: equal ids, other padding."""
    return SimpleTokenizer(bpe_path=str(folder / "merges.txt.gz"), context_length=CONTEXT)


def random_clip(name: str) -> open_clip.CLIP:
    """`clip`, `judge` or `fewshot` with both towers, untrained."""
    torch.manual_seed(SEED[name])
    return open_clip.CLIP(**architecture(name))


def trained_clip(work: Path, name: str) -> open_clip.CLIP:
    """`clip`, `judge` or `fewshot` as its training left it."""
    model = random_clip(name)
    model.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True)["average"])
    return model
