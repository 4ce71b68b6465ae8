"""How much goes through at once where temporaries would otherwise grow with the input."""

import torch

CPU_CHUNK = 2**19  # numbers; temporaries above it leave a core's cache
GPU_CHUNK = 2**27  # a GPU rather wants few launches
ALIGNED = 64  # tokens


def tokens_at_once(width: int, device: torch.device) -> int:
    """Tokens of a block whose temporaries have `width` numbers a token.

    Rows of a turned block begin at cache lines: with 409 tokens instead of 384, sampling gradients
    takes half as long again.
    """
    tokens = (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK) // width
    return max(1, tokens - tokens % ALIGNED if tokens > ALIGNED else tokens)
