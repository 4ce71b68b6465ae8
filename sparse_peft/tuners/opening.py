"""A saved WaveFT or SNELL adapter at work on a model again."""

from pathlib import Path

import peft
from torch import nn

from sparse_peft.tuners.snell.model import SnellConfig  # importing it makes SNELL known to PEFT
from sparse_peft.tuners.waveft.model import load as load_waveft


def load(model: nn.Module, folder: str | Path) -> peft.PeftModel:
    """A model with what `save_pretrained` wrote into a folder, opened with our layers.

    WaveFT folders may be plain PEFT's. What SO has changed is no adapter: see `load_delta`.

    Raises:
        ValueError: the folder holds an adapter that is neither WaveFT nor SNELL.
    """
    saved = peft.PeftConfig.from_pretrained(str(folder))
    if isinstance(saved, SnellConfig):
        return peft.PeftModel.from_pretrained(model, str(folder))
    if not isinstance(saved, peft.WaveFTConfig):
        raise ValueError(f"{folder} holds a {saved.peft_type} adapter; expected WAVEFT or SNELL")
    return load_waveft(model, str(folder))
