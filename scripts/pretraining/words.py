"""The tokenizer: CLIP's byte pairs, cut after the merges that a small vocabulary needs."""

import gzip
import json
import re
from collections.abc import Iterable
from itertools import pairwise
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
WORD = re.compile(r"[a-z]+|\d|[^\sa-z\d]+")  # what the tokenizer cuts a text into first
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
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as lines:
        _write_merges(folder, lines.read().split("\n")[1 : count + 1])


def shortened(folder: Path, texts: Iterable[str], into: Path) -> list[int]:
    """A tokenizer with only the merges that some texts need, which it cuts as the whole one does.

    Returns:
        The rows of the token embedding that it keeps, in the order of its own numbers.
    """
    merges = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:]
    rank = {tuple(merge.split()): place for place, merge in enumerate(merges)}
    needed: set[int] = set()
    letter = bytes_to_unicode()
    for word in {word for text in texts for word in WORD.findall(text.lower())}:
        pieces = [letter[byte] for byte in word.encode()]
        pieces[-1] += "</w>"
        while found := [rank[pair] for pair in pairwise(pieces) if pair in rank]:
            best = min(found)
            needed.add(best)
            pieces = _merged(pieces, *merges[best].split())
    kept = sorted(needed)
    _write_merges(into, [merges[place] for place in kept])
    letters, ends = 2 * 256, len(merges) + 2 * 256
    return [*range(letters), *(letters + place for place in kept), ends, ends + 1]


def _merged(pieces: list[str], left: str, right: str) -> list[str]:
    result: list[str] = []
    for piece in pieces:
        if result and (result[-1], piece) == (left, right):
            result[-1] += piece
        else:
            result.append(piece)
    return result


def _write_merges(folder: Path, merges: list[str]) -> None:
    """Write `merges.txt` and `vocab.json` for transformers, `merges.txt.gz` for open_clip."""
    folder.mkdir(parents=True, exist_ok=True)
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
