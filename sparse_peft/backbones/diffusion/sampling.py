"""How test pictures are drawn; no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How test pictures are drawn."""

    steps: int = 20
    """denoising steps of one picture"""
    guidance: float = 4.0
    """classifier-free guidance; 1 turns it off"""
    guidance_rescale: float = 0.0
    """Lin et al. 2023, arXiv:2305.08891, section 3.4; for backbones with zero terminal SNR"""
