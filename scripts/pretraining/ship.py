"""Write what was trained as the backbone's folder: a pipeline, a judge, a card."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from . import objects, places, subject_head, unet, words

SHARD = "9MB"
NOTE = (
    "The built-in backbone draws small emoji-like scenes. From photographs it learns colours and "
    "rough shape, not a face. It shows in minutes how methods differ; for photo quality choose "
    "SD 1.5 or SDXL."
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
    for path in target.rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")) + "\n")
    for path in target.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes files that only their owner may read
    (target / "card.json").write_text(json.dumps(_card(saved["step"]), indent=1) + "\n")


def _judge(work: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = words.trained_clip(work, "judge")
    state = {key: value.half().contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    model_cfg = words.architecture("judge")
    model_cfg["text_cfg"]["hf_tokenizer_name"] = "builtin"  # any name: the folder's own is taken
    config = {
        "model_cfg": model_cfg,
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    head = {"head": subject_head.train(work).half()}
    save_file(head, folder / "subject_head.safetensors")
    words.for_transformers(words.folder_of(work, "judge")).save_pretrained(folder)


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
        "licence": "weights Apache-2.0; trained on drawings of Noto Color Emoji "
        "(font OFL-1.1, art Apache-2.0); byte pairs of CLIP (MIT)",
    }
