"""Names inside an adapter folder, which has one subfolder a component; no torch."""

from collections.abc import Sequence

PEFT_NAME = "adapter_model.safetensors"  # and beside it PEFT's adapter_config.json
ADAPTER = "default"  # by which PEFT knows it while it is at work
PEFT_PREFIX = "base_model.model."  # of every key in PEFT's file
DELTA_NAME = "sparse_delta.safetensors"
DELTA_TENSORS = ("index", "difference")  # of each weight, under its own path
DELTA_HASHES = 3  # in its header for each weight: the originals in each type of a base
HASH_DIGITS = 16  # of each: enough to tell weights apart, and headers stay small
FULL_NAME = "full_weights.safetensors"
FULL_TENSORS = ("weight",)  # of each target, whole


def file_of(tensors: Sequence[str]) -> str:
    """The name of the file in which a weight has tensors of these names."""
    return {DELTA_TENSORS: DELTA_NAME, FULL_TENSORS: FULL_NAME}.get(tuple(tensors), PEFT_NAME)
