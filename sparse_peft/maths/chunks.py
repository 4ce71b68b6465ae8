"""How much goes through at once where temporaries would otherwise grow with the input."""

import torch

CPU_CHUNK = 2**19  # numbers; temporaries above it leave a core's cache
GPU_CHUNK = 2**27  # a GPU rather wants few launches


def chunk_on(device: torch.device) -> int:
    """Numbers that a temporary on this device may have."""
    return CPU_CHUNK if device.type == "cpu" else GPU_CHUNK
