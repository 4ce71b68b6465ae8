"""Any PEFT tuner at work in the components of a backbone."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from peft import PeftConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, cast_adapter_dtype
from torch import Tensor, nn

from sparse_peft.tuners.attachments.training import TrainedBefore, load_moments, moments_of
from sparse_peft.tuners.changes import added
from sparse_peft.tuners.footprint import Footprint
from sparse_peft.tuners.layout import ADAPTER
from sparse_peft.tuners.paths import component_of, path_of, paths_by_component
from sparse_peft.tuners.targets import components_of, module_at
from sparse_peft.tuners.tensor_files import write_peft_folder


class PeftAttachment:
    """A tuner in each component, with one AdamW for them all; an `Attachment`.

    Args:
        config: the tuner's settings, or those of each component; targets are filled in.
        seed: of the tuner's own initialisation.
        touched: how many entries of its weight a tuner layer can change, if not all.
        weight_decay: of AdamW, decoupled, on the adapter's values alone.
        change: what a tuner layer makes of its weight, less what it was.
    """

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        targets: Sequence[str],
        config: PeftConfig | Mapping[str, PeftConfig],
        seed: int,
        touched: Callable[[BaseTunerLayer], int] | None = None,
        *,
        weight_decay: float = 0.0,
        change: Callable[[BaseTunerLayer], Tensor] = added,
    ) -> None:
        self._components = components_of(components, targets)
        self._trained = TrainedBefore(self._components.values())
        self._tuners: dict[str, BaseTuner] = {}
        plain = {target: module_at(components, target) for target in targets}
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                for name, paths in paths_by_component(targets).items():
                    own = config if isinstance(config, PeftConfig) else config[name]
                    self._tuners[name] = _inject(self._components[name], paths, own)
        except Exception:
            for target, module in plain.items():
                components[component_of(target)].set_submodule(path_of(target), module)
            self._trained.again()
            raise
        self._layers = {target: _layer_at(components, target) for target in targets}
        self._params = [
            param
            for component in self._components.values()
            for param in component.parameters()
            if param.requires_grad
        ]
        self._touched, self._change, self._weight_decay = touched, change, weight_decay
        self._optimizer: torch.optim.AdamW | None = None

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """AdamW on the adapter's values."""
        if self._optimizer is None:
            self._optimizer = torch.optim.AdamW(
                self._params, lr=lr, weight_decay=self._weight_decay
            )
        return self._optimizer

    def before_forward(self, step: int) -> None:
        """Nothing to do."""

    def penalty(self) -> Tensor | None:
        """None."""
        return None

    def leaves(self) -> list[nn.Parameter]:
        """The adapter's values."""
        return self._params

    def clip(self, max_norm: float) -> None:
        """Scale the gradients down together."""
        torch.nn.utils.clip_grad_norm_(self._params, max_norm)

    def after_step(self, step: int) -> None:
        """Nothing to do."""

    def measured(self) -> Footprint:
        """The values that are trained, and the numbers that a file would hold now."""
        active = sum(param.numel() for param in self._params)
        stored = sum(
            value.numel() for name in self._components for value in self._kept(name).values()
        )
        support = None
        if self._touched is not None:
            support = sum(self._touched(layer) for layer in self._layers.values())
        return Footprint(active=active, stored=stored, support=support, estimated=False)

    def _values(self, component: str) -> dict[str, Tensor]:
        """The adapter's tensors of one component by PEFT's names, without its prefix."""
        model = self._components[component]
        found: dict[str, Tensor] = get_peft_model_state_dict(
            model, dict(model.named_parameters()), ADAPTER, save_embedding_layers=False
        )
        return {key: value.detach() for key, value in found.items()}

    def _kept(self, component: str) -> dict[str, Tensor]:
        """What the file of one component holds, by the same names."""
        return self._values(component)

    def _put(self, component: str, values: dict[str, Tensor]) -> None:
        """Give the tensors of one component, by the names of `_values`, these values.

        Raises:
            ValueError: they are not the tensors of this adapter.
        """
        own = {name: value.shape for name, value in self._values(component).items()}
        if own != {name: value.shape for name, value in values.items()}:
            raise ValueError(f"the values of {component} are not those of this adapter")
        with warnings.catch_warnings():
            # VeRA's frozen matrices are drawn anew from the seed in its file; that is meant.
            warnings.filterwarnings("ignore", message="Specified to not load vera_A")
            set_peft_model_state_dict(self._components[component], values, ADAPTER)

    def state(self) -> dict[str, Tensor]:
        """The adapter's values and AdamW's moments."""
        found = {
            f"values/{name}/{key}": value
            for name in self._components
            for key, value in self._values(name).items()
        }
        for number, own in enumerate(moments_of(self._optimizer, self._params)):
            found |= {f"optimizer/{number}/{key}": value for key, value in own.items()}
        return {key: value.to("cpu", copy=True).contiguous() for key, value in found.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up values, and moments if there are any."""
        values: dict[str, dict[str, Tensor]] = {name: {} for name in self._components}
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            kind, name, rest = key.split("/", 2)
            if kind == "values":
                values[name][rest] = value
            else:
                moments.setdefault(int(name), {})[rest] = value
        for name in self._components:
            self._put(name, values[name])
        load_moments(self._optimizer, moments)

    def save(self, folder: Path) -> None:
        """Write PEFT's own layout into a subfolder for each component."""
        for name in self._tuners:
            config = self._config(name)
            config.inference_mode = True
            config.target_modules = sorted(config.target_modules)
            write_peft_folder(folder / name, config, self._kept(name))

    def _config(self, component: str) -> PeftConfig:
        """The settings that the file of one component shall carry."""
        return copy.copy(self._tuners[component].peft_config[ADAPTER])

    def change(self, target: str) -> Float[Tensor, "out in"]:
        """The whole update of one weight."""
        return self._change(self._layers[target]).detach().float().cpu()

    def remove(self, keep: bool) -> None:
        """Put the plain modules back."""
        for tuner in self._tuners.values():
            if keep:
                tuner.merge_and_unload()
            else:
                tuner.unload()
        self._trained.again()


def _layer_at(components: Mapping[str, nn.Module], target: str) -> BaseTunerLayer:
    layer = module_at(components, target)
    assert isinstance(layer, BaseTunerLayer)
    return layer


def _inject(component: nn.Module, paths: Sequence[str], config: PeftConfig) -> BaseTuner:
    """The tuner of one component, on exactly these modules."""
    config = copy.deepcopy(config)
    config.target_modules = set(paths)
    # PEFT also takes modules whose path ends like a target's.
    endings = tuple(f".{path}" for path in paths)
    others = {n for n, _ in component.named_modules() if n.endswith(endings)} - set(paths)
    if others:
        config.exclude_modules = others
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](component, config, ADAPTER)
    if set(tuner.targeted_module_names) != set(paths):
        raise ValueError(f"PEFT tunes {sorted(tuner.targeted_module_names)}, not {sorted(paths)}")
    # Moments and small steps vanish in half precision; PEFT's own models do the same.
    cast_adapter_dtype(component, ADAPTER)
    for name, param in component.named_parameters():
        if name.endswith(f".ranknum.{ADAPTER}"):  # on a half-precision base PEFT thaws AdaLoRA's
            param.requires_grad_(False)
    return tuner
