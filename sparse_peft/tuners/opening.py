"""A saved WaveFT or SNELL adapter at work on a model again."""

from collections.abc import Mapping
from pathlib import Path

import peft
from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTunerLayer, check_target_module_exists
from peft.utils import CONFIG_NAME
from peft.utils.save_and_load import load_peft_weights
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from sparse_peft.errors import SpecError
from sparse_peft.tables import read_json
from sparse_peft.tuners.layout import PEFT_NAME, PEFT_PREFIX
from sparse_peft.tuners.snell.model import SnellConfig
from sparse_peft.tuners.snell.model import saved_shapes as snell_shapes
from sparse_peft.tuners.waveft.model import WEIGHTS_NAME, WaveFTConfig, as_ours
from sparse_peft.tuners.waveft.model import saved_shapes as waveft_shapes


def load(
    model: nn.Module,
    folder: str | Path,
    adapter_name: str = "default",
    is_trainable: bool = False,
) -> peft.PeftModel:
    """A model with what `save_pretrained` wrote into a folder, opened with our layers.

    WaveFT folders may be plain PEFT's. What SO has changed is no adapter: see `load_delta`.

    An adapter must have tensors for exactly the layers that its settings name here, and these must
    be as large as those it was made for. The latter is not known of a WaveFT folder that plain PEFT
    has written: the number of its coefficients is the same in a layer of any width.

    Args:
        model: one without adapters, or one that has some of the same kind, from here or from
            `peft.get_peft_model`. It then gets another; `set_adapter` switches to it.
        adapter_name: by which PEFT knows it in this model.
        is_trainable: whether it is to be trained further.

    Raises:
        ValueError: the folder holds no such adapter, it is damaged, or does not fit the model.
        SpecError: its note of the shapes is damaged.
    """
    config = _saved_config(Path(folder))
    if isinstance(model, peft.PeftModel):
        _check_room(model, config, adapter_name)
        _check_fit(model.get_base_model(), config, Path(folder))
        model.load_adapter(str(folder), adapter_name, is_trainable=is_trainable)
        return model
    _check_fit(model, config, Path(folder))
    return peft.PeftModel.from_pretrained(
        model, str(folder), adapter_name, is_trainable=is_trainable, config=config
    )


def _saved_config(folder: Path) -> WaveFTConfig | SnellConfig:
    if folder.is_file() or (folder.is_dir() and not (folder / CONFIG_NAME).is_file()):
        raise ValueError(
            f"{folder} is no folder with an {CONFIG_NAME}. What save_delta wrote opens with "
            "load_delta, and a folder of the studio with open_adapter"
        )
    saved = peft.PeftConfig.from_pretrained(str(folder))
    if isinstance(saved, SnellConfig):
        return saved
    if isinstance(saved, peft.WaveFTConfig):
        return as_ours(saved)
    raise ValueError(
        f"{folder} holds a {_kind(saved)} adapter; expected WAVEFT or SNELL. Open it with "
        "peft.PeftModel.from_pretrained"
    )


def _kind(config: peft.PeftConfig) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def _check_room(
    model: peft.PeftModel, config: WaveFTConfig | SnellConfig, adapter_name: str
) -> None:
    if not isinstance(model.base_model, PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]):
        raise ValueError(
            f"the model has other adapters than this {_kind(config)} with our layers; load it on a "
            "model without adapters"
        )
    if adapter_name in model.peft_config:
        raise ValueError(
            f"the model has an adapter called {adapter_name!r} already; use another adapter_name"
        )


def _check_fit(model: nn.Module, config: WaveFTConfig | SnellConfig, folder: Path) -> None:
    """Refuse tensors that are not those which the settings of their folder call for here."""
    prefix = PEFT_TYPE_TO_PREFIX_MAPPING[config.peft_type]
    found = {
        name.removeprefix(PEFT_PREFIX): tuple(tensor.shape)
        for name, tensor in _saved_tensors(model, folder).items()
        if f".{prefix}" in name
    }
    weights = _weights(model, config)
    try:
        if isinstance(config, SnellConfig):
            expected = snell_shapes(config, weights)
        else:
            _check_weights(folder, weights)
            expected = waveft_shapes(model, config, weights)
        _check_same(found, expected)
    except SpecError:  # which says itself what is wrong, and where
        raise
    except ValueError as error:
        raise ValueError(f"{folder} does not fit this model: {error}") from error


def _saved_tensors(model: nn.Module, folder: Path) -> dict[str, Tensor]:
    renamed = getattr(model, "_checkpoint_conversion_mapping", {})  # as PEFT does when it loads
    try:
        tensors: dict[str, Tensor] = load_peft_weights(str(folder), "cpu", key_mapping=renamed)
    except SafetensorError as error:
        raise ValueError(
            f"{folder / PEFT_NAME} is damaged or no safetensors file ({error})"
        ) from error
    return tensors


def _weights(model: nn.Module, config: WaveFTConfig | SnellConfig) -> dict[str, tuple[int, int]]:
    """Shapes of the weights that the settings name, by the paths of their modules."""
    found: dict[str, tuple[int, int]] = {}
    inner: tuple[str, ...] = ()
    for path, module in model.named_modules():
        if path.startswith(inner):
            continue
        base = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
        if isinstance(module, BaseTunerLayer):
            inner = (*inner, f"{path}.")
        if not check_target_module_exists(config, path):
            continue
        if isinstance(base, nn.Linear):
            found[path] = base.out_features, base.in_features
        elif isinstance(base, Conv1D):
            into, out = base.weight.shape
            found[path] = out, into
    return found


def _check_weights(folder: Path, weights: Mapping[str, tuple[int, int]]) -> None:
    """Refuse weights of other shapes than those that are noted in a folder, if any are."""
    path = folder / WEIGHTS_NAME
    noted = read_json(path) if path.is_file() else {}
    for name, (out, into) in weights.items():
        if name in noted and noted[name] != [out, into]:
            raise ValueError(
                f"the weight of {name} has shape {[out, into]}; it was saved for {noted[name]}"
            )


def _check_same(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in found.items():
        if name not in expected:
            raise ValueError(f"the file holds {name}, and here there is no such layer to tune")
        if shape != expected[name]:
            raise ValueError(
                f"{name} has shape {shape} in the file, and would have {expected[name]} here"
            )
    missing = [name for name in expected if name not in found]
    if missing:
        raise ValueError(f"its settings call for {missing[0]} here, which the file does not hold")
