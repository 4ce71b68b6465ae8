"""Write what was trained as the backbone's folders: a pipeline, a judge, a CLIP, their cards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from . import fewshot, objects, places, subject_head, unet, words

SHARD = "9MB"
NOTE = (
    "The built-in backbone draws small emoji-like scenes. From photographs it learns colours and "
    "rough shape, not a face. It shows in minutes how methods differ; for photo quality choose "
    "SD 1.5 or SDXL."
)
NOTE_FEWSHOT = (
    "The built-in CLIP was trained on small drawn scenes. On photographs and handwriting it shows "
    "in a minute how methods differ; for their accuracy choose a CLIP such as ViT-B/16."
)
LICENCE = (
    "weights Apache-2.0; trained on drawings of Noto Color Emoji (font OFL-1.1, art Apache-2.0); "
    "byte pairs of CLIP (MIT)"
)


def ship(work: Path, target: Path) -> None:
    """Fill `target` with pipeline/, judge/ and card.json, all weights in fp16 safetensors."""
    saved = torch.load(work / "unet.pt", weights_only=True)
    network = unet.build()
    network.load_state_dict(saved["average"])
    std = torch.load(work / "latents.pt", weights_only=True)["std"].item()
    vae = unet.trained_vae(work)
    vae.register_to_config(scaling_factor=1 / std)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=unet.conditioner(work),
        unet=network,
        scheduler=unet.scheduler(),
        tokenizer=words.for_transformers(words.folder_of(work, "clip")),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16)
    pipeline.save_pretrained(target / "pipeline", safe_serialization=True, max_shard_size=SHARD)
    _judge(work, target / "judge")
    _tidy(target / "pipeline")
    _tidy(target / "judge")
    (target / "card.json").write_text(json.dumps(_card(saved["step"]), indent=1) + "\n")


def _judge(work: Path, folder: Path) -> None:
    state = words.trained_clip(work, "judge").state_dict()
    tokenizer = words.folder_of(work, "judge")
    _open_clip_folder(state, words.architecture("judge"), tokenizer, folder)
    head = {"head": subject_head.train(work).half()}
    save_file(head, folder / "subject_head.safetensors")


def ship_fewshot(work: Path, target: Path) -> None:
    """Fill `target`/classes with the CLIP of the few-shot task and its card.

    Its tokenizer keeps only the merges of words that it was taught: the others' embeddings were
    never trained.
    """
    folder, name = target / "classes", fewshot.NAME
    tokenizer = work / f"tokenizer-{name}-shipped"
    rows = words.shortened(words.folder_of(work, name), fewshot.taught(), tokenizer)
    model = words.trained_clip(work, name)
    state = model.state_dict()
    state["token_embedding.weight"] = state["token_embedding.weight"][rows]
    architecture = words.architecture(name)
    architecture["text_cfg"]["vocab_size"] = len(rows)
    _open_clip_folder(state, architecture, tokenizer, folder / "clip")
    _tidy(folder)
    card = {
        "objects": [objects.noun(c) for c in objects.KNOWN],
        "held_out": [objects.noun(c) for c in objects.HELD_OUT + objects.TUNING],
        "note": NOTE_FEWSHOT,
        "pictures": torch.load(work / f"{name}.pt", weights_only=True)["step"] * fewshot.BATCH,
        "licence": LICENCE,
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def _open_clip_folder(
    state: Mapping[str, torch.Tensor], model_cfg: dict[str, Any], tokenizer: Path, folder: Path
) -> None:
    """A CLIP as open_clip keeps one: weights in fp16, configuration, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = {key: value.half().contiguous() for key, value in state.items()}
    save_file(halves, folder / "open_clip_model.safetensors")
    model_cfg["text_cfg"]["hf_tokenizer_name"] = "builtin"  # any name: the folder's own is taken
    config = {
        "model_cfg": model_cfg,
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    words.for_transformers(tokenizer).save_pretrained(folder)


def _tidy(folder: Path) -> None:
    for path in folder.rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")) + "\n")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes files that only their owner may read


def _card(steps: int) -> dict[str, Any]:
    return {
        "objects": [objects.noun(c) for c in objects.KNOWN],
        "held_out": [objects.noun(c) for c in objects.HELD_OUT],
        "colours": list(objects.COLOURS),
        "patterns": list(objects.PATTERNS),
        "accessories": list(objects.ACCESSORIES),
        "places": list(places.PLACES),
        "note": NOTE,
        "unet_pictures": steps * unet.BATCH,
        "licence": LICENCE,
    }
