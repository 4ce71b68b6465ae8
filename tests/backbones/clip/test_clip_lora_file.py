"""Files that CLIP-LoRA saved are read by our names, and refused where they cannot be right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.lora_file import read
from sparse_peft.errors import BackboneError

RANK, ALPHA = 2, 1
Saved = dict[str, dict[str, Any]]


def shapes(name: str = "ViT-B-32/random") -> dict[str, tuple[int, ...]]:
    return clip_source.shapes(clip_source.resolve(name), "attention")


def saved(depths: dict[str, tuple[int, int]], params: tuple[str, ...] = ("q", "k", "v")) -> Saved:
    """A file's contents: by encoder, how many layers of which width; text comes first."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Any] = {}
    for depth, width in depths.values():
        for _ in range(depth):
            weights[f"layer_{len(weights)}"] = {
                "proj" if name == "o" else f"{name}_proj": {
                    "w_lora_A": torch.randn(RANK, width, generator=generator),
                    "w_lora_B": torch.randn(width, RANK, generator=generator),
                }
                for name in params
            }
    encoder = "both" if len(depths) == 2 else next(iter(depths))
    metadata = {
        "r": RANK, "alpha": ALPHA, "encoder": encoder, "params": list(params), "position": "all"
    }  # fmt: skip
    return {"weights": weights, "metadata": metadata}


B32 = {"text": (12, 512), "vision": (12, 768)}


def written(contents: Any, folder: Path) -> Path:
    torch.save(contents, folder / "lora_weights.pt")
    return folder / "lora_weights.pt"


def test_text_layers_come_first_then_the_picture_layers(tmp_path: Path) -> None:
    contents = saved(B32)
    found = read(written(contents, tmp_path), shapes())
    assert (found.rank, found.alpha) == (RANK, 1.0)
    assert (
        found.factors.keys()
        == clip_source.shapes(clip_source.resolve("ViT-B-32/random"), "qkv").keys()
    )
    for layer, target in [
        (0, "text/transformer.resblocks.0"), (11, "text/transformer.resblocks.11"),
        (12, "visual/transformer.resblocks.0"), (23, "visual/transformer.resblocks.11"),
    ]:  # fmt: skip
        a, b = found.factors[f"{target}.attn.k_proj"]
        pair = contents["weights"][f"layer_{layer}"]["k_proj"]
        assert torch.equal(a, pair["w_lora_A"])
        assert torch.equal(b, pair["w_lora_B"])


def test_one_encoder_alone_and_the_output_projection_are_read(tmp_path: Path) -> None:
    vision = read(written(saved({"vision": (12, 768)}, ("v", "o")), tmp_path), shapes())
    assert len(vision.factors) == 24
    assert "visual/transformer.resblocks.0.attn.out_proj" in vision.factors
    text = read(written(saved({"text": (12, 512)}), tmp_path), shapes())
    assert all(target.startswith("text/") for target in text.factors)


def test_early_files_of_vit_l_14_leave_out_its_last_picture_layers(tmp_path: Path) -> None:
    early = saved({"text": (12, 768), "vision": (21, 1024)})
    found = read(written(early, tmp_path), shapes("ViT-L-14/random"))
    numbers = {int(t.split(".")[2]) for t in found.factors if t.startswith("visual/")}
    assert numbers == set(range(21))


def test_half_precision_and_parameters_are_read(tmp_path: Path) -> None:
    contents = saved(B32)
    pair = contents["weights"]["layer_0"]["q_proj"]
    pair["w_lora_A"] = torch.nn.Parameter(pair["w_lora_A"].half())
    a, _ = read(written(contents, tmp_path), shapes()).factors[
        "text/transformer.resblocks.0.attn.q_proj"
    ]
    assert a.dtype == torch.float32
    assert not a.requires_grad


Change = Callable[[Saved], Any]
WRONG: dict[str, tuple[Change, str]] = {
    "metadata": (lambda s: s.pop("metadata"), "expected its weights and metadata"),
    "rank": (lambda s: s["metadata"].update(r=0), "its rank r is 0"),
    "rank word": (lambda s: s["metadata"].update(r="2"), "its rank r is '2'"),
    "alpha": (lambda s: s["metadata"].update(alpha=float("nan")), "its alpha is nan"),
    "position": (lambda s: s["metadata"].update(position="top3"), "at position 'top3'"),
    "encoder": (lambda s: s["metadata"].update(encoder="image"), "adapts encoder 'image'"),
    "encoders": (lambda s: s["metadata"].update(encoder=["text"]), r"adapts encoder \['text'\]"),
    "depth": (lambda s: s["weights"].pop("layer_23"), "adapts 23 layers, this backbone has 24"),
    "name": (lambda s: s["weights"].update(layer_3={"mlp": {}}), "layer_3 holds other names"),
    "gap": (lambda s: s["weights"].update(layer_99=s["weights"].pop("layer_3")), "layer_3 holds"),
    "factor": (lambda s: pair_of(s).pop("w_lora_B"), "expected the tensors w_lora_A and"),
    "shape": (lambda s: pair_of(s).update(w_lora_A=torch.ones(2, 768)), "do not fit a weight"),
    "kind": (
        lambda s: pair_of(s).update(w_lora_A=torch.ones(2, 512, dtype=torch.int64)),
        "expected numbers with a point",
    ),
    "infinite": (
        lambda s: pair_of(s).update(w_lora_A=torch.full((2, 512), torch.inf)),
        "layer_1 v_proj holds values that are not finite numbers",
    ),
}


def pair_of(contents: Saved) -> dict[str, Any]:
    found: dict[str, Any] = contents["weights"]["layer_1"]["v_proj"]
    return found


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_right_is_refused_in_words(
    change: Change, words: str, tmp_path: Path
) -> None:
    contents = saved(B32)
    change(contents)
    with pytest.raises(BackboneError, match=words):
        read(written(contents, tmp_path), shapes())


@pytest.mark.parametrize("text", [b"", b"PK\x03\x04", b"\x80\x02cos\nsystem\n."])
def test_a_damaged_file_is_refused_and_nothing_in_it_runs(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(text)
    with pytest.raises(BackboneError, match=r"x\.pt is damaged, or no file of tensors"):
        read(path, shapes())
    with pytest.raises(BackboneError, match="missing or not a plain file"):
        read(tmp_path / "none.pt", shapes())
    with pytest.raises(BackboneError, match="expected its weights and metadata"):
        read(written([1, 2], tmp_path), shapes())
