"""Randomness that is keyed by what it is for, so that every process draws the same."""

import hashlib

import torch


def keyed_generator(purpose: str, *numbers: int) -> torch.Generator:
    """A CPU generator for one numbered draw.

    The numbers are hashed: torch's CPU generator reads only the low 32 bits of its seed, so keys
    that differed above them would draw the same.
    """
    text = "/".join([purpose, *map(str, numbers)]).encode()
    key = int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
    return torch.Generator().manual_seed(key)
