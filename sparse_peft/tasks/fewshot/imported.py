"""A published CLIP-LoRA checkpoint as a classifier folder of ours."""

from collections.abc import Sequence
from pathlib import Path

from sparse_peft.backbones.clip import lora_file as clip_lora_file
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.lora_folder import save_factors
from sparse_peft.tasks.fewshot.classifier import FORMAT, Card, write_classifier

TARGETS = "attention"  # q, k, v and, where a file has it, the output projection
SCALE = 100.0  # of the cosines, in all that CLIP-LoRA published
RUN = "clip-lora"


def clip_lora(file: Path, backbone: str, classes: Sequence[str], template: str, out: Path) -> None:
    """Fill `out` with the adapter in a CLIP-LoRA file and the classes that it was trained on.

    Raises:
        BackboneError: not such a file, damaged, or for another backbone.
        SpecError: a class or the template cannot be used.

    Source: Zanella and Ben Ayed 2024, arXiv:2405.18541; the file's layout: `clip.lora_file`.
    """
    source = clip_source.resolve(backbone)
    found = clip_lora_file.read(file, clip_source.shapes(source, TARGETS))
    sha256 = clip_source.fingerprint(source)
    method = LoRA(rank=found.rank, alpha=found.alpha, rslora=True)
    card = Card(
        FORMAT, "adapter", method.name, method.label, RUN, source.id, sha256, TARGETS, template,
        tuple(classes), SCALE,
    )  # fmt: skip
    save_factors(out, method, found.factors, source.id, sha256)
    write_classifier(out, card)
