"""An adapter folder of LoRA, from factors that something else has trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from sparse_peft.methods.sizes import alpha_of
from sparse_peft.tuners.paths import paths_by_component

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

    from sparse_peft.tuners.tensor_files import write_peft_folder

    for component, paths in paths_by_component(factors).items():
        config = LoraConfig(
            r=method.rank,
            lora_alpha=alpha_of(method.alpha, method.rank),
            use_rslora=method.rslora,
            target_modules=sorted(paths),
            inference_mode=True,
        )
        values = {
            f"{path}.lora_{letter}.weight": factor
            for path in paths
            for letter, factor in zip("AB", factors[f"{component}/{path}"], strict=True)
        }
        write_peft_folder(folder / component, config, values)
    write_card(folder, method, backbone, backbone_sha256, list(factors), UNKNOWN_PLAN)
