"""An adapter folder of LoRA, from factors that something else has trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from sparse_peft.tuners.layout import PEFT_NAME, PEFT_PREFIX

if TYPE_CHECKING:
    import torch

UNKNOWN_PLAN = Plan(steps=0, seed=0)  # how long others trained is not in their files


def save_factors(
    folder: Path,
    method: LoRA,
    factors: "Mapping[str, tuple[torch.Tensor, torch.Tensor]]",
    backbone: str,
    backbone_sha256: str,
) -> None:
    """Write a folder that `open_adapter` opens on its backbone, and PEFT on each component.

    Args:
        method: with the rank and the scaling of the factors.
        factors: A (r, in) and B (out, r) of each target.
    """
    from peft import LoraConfig
    from safetensors.torch import save_file

    from sparse_peft.tuners.targets import paths_by_component

    alpha = method.rank if method.alpha is None else method.alpha
    for component, paths in paths_by_component(list(factors)).items():
        config = LoraConfig(
            r=method.rank,
            lora_alpha=alpha,
            use_rslora=method.rslora,
            target_modules=sorted(paths),
            inference_mode=True,
        )
        config.save_pretrained(str(folder / component))
        values = {
            f"{PEFT_PREFIX}{path}.{name}": tensor.contiguous()
            for path in paths
            for name, tensor in zip(method.keeps, factors[f"{component}/{path}"], strict=True)
        }
        save_file(values, folder / component / PEFT_NAME, metadata={"format": "pt"})
    write_card(folder, method, backbone, backbone_sha256, list(factors), UNKNOWN_PLAN)
