"""Names inside an adapter folder, which has one subfolder a component; no torch."""

PEFT_NAME = "adapter_model.safetensors"  # and beside it PEFT's adapter_config.json
PEFT_PREFIX = "base_model.model."  # of every key in PEFT's file
DELTA_NAME = "sparse_delta.safetensors"
DELTA_TENSORS = ("index", "difference")  # of each weight, under its own path
FULL_NAME = "full_weights.safetensors"
FULL_TENSORS = ("weight",)  # of each target, whole
