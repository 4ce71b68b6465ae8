"""AdaLoRA at work: PEFT's layers and PEFT's rank allocator, called as its authors call them."""

from collections.abc import Mapping, Sequence

import torch
from peft import AdaLoraConfig
from peft.tuners.adalora import AdaLoraModel
from torch import Tensor, nn

from sparse_peft.tuners.attachments.peft import PeftAttachment
from sparse_peft.tuners.layout import ADAPTER
from sparse_peft.tuners.paths import paths_by_component

TENSORS = ("lora_A", "lora_E", "lora_B")
PATTERN = "rank_pattern"
AVERAGES = ("exp_avg_ipt", "exp_avg_unc")  # what the allocator has learned of each value


class AdaLoraAttachment(PeftAttachment):
    """Triplets of a left vector, a weight and a right vector, of which the least needed go.

    PEFT masks what it prunes: the tensors keep their size in training, and the file holds what is
    left.

    Args:
        config: its `total_step` is the number of optimizer steps that there will be.
    """

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        targets: Sequence[str],
        config: AdaLoraConfig,
        seed: int,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(components, targets, config, seed, weight_decay=weight_decay)
        self._paths = paths_by_component(targets)
        self._orthogonality = config.orth_reg_weight

    def _tuner(self, component: str) -> AdaLoraModel:
        tuner = self._tuners[component]
        assert isinstance(tuner, AdaLoraModel)
        return tuner

    def _parts(self, component: str) -> dict[str, nn.Parameter]:
        return {
            f"{path}.{tensor}": getattr(self._layers[f"{component}/{path}"], tensor)[ADAPTER]
            for path in self._paths[component]
            for tensor in TENSORS
        }

    def penalty(self) -> Tensor:
        """How far left and right vectors are from orthonormal, as PEFT adds it to a loss."""
        norms = []
        for component in self._components:
            for name, part in self._parts(component).items():
                if not name.endswith("lora_E"):
                    product = part @ part.T if name.endswith("lora_A") else part.T @ part
                    identity = torch.eye(len(product)).to(product)
                    norms.append(torch.linalg.matrix_norm(product - identity))
        return torch.stack(norms).mean().mul(self._orthogonality)

    def after_step(self, step: int) -> None:
        """Update what each triplet is worth, and mask those that the schedule has no room for.

        Gradients that overflowed say nothing of worth, and would spoil its averages for good: the
        schedule goes on without them, and prunes nothing while there are no others.
        """
        finite = self._finite()
        for component in self._components:
            tuner = self._tuner(component)
            config = tuner.peft_config[ADAPTER]
            learns = step + 1 < config.total_step - config.tfinal
            known = bool(tuner.rankallocator.exp_avg_ipt) or config.rank_pattern is not None
            if finite if learns else known:
                # PEFT counts finished steps: at the last one it settles which triplets stay.
                tuner.update_and_allocate(step + 1)

    def _finite(self) -> bool:
        found = [param.grad.isfinite().all() for param in self._params if param.grad is not None]
        return all(bool(each) for each in found)

    def _alive(self, component: str) -> dict[str, Tensor]:
        """Which triplets of each layer still do something, by its path; all before any pruning."""
        pruned = self._tuner(component).peft_config[ADAPTER].rank_pattern is not None
        parts, found = self._parts(component), {}
        for path in self._paths[component]:
            weights = parts[f"{path}.lora_E"].detach().flatten()
            found[path] = weights != 0 if pruned else torch.ones(len(weights), dtype=torch.bool)
        return found

    def ranks(self) -> dict[str, int]:
        """Triplets that are left in each target."""
        return {
            f"{component}/{path}": int(alive.sum())
            for component in self._components
            for path, alive in self._alive(component).items()
        }

    def _values(self, component: str) -> dict[str, Tensor]:
        """All triplets, those that are masked too."""
        return {name: part.detach() for name, part in self._parts(component).items()}

    def _kept(self, component: str) -> dict[str, Tensor]:
        """The triplets that are left."""
        alive, found = self._alive(component), {}
        for name, part in self._values(component).items():
            path, _, tensor = name.rpartition(".")
            stays = alive[path].to(part.device)
            found[name] = part[:, stays] if tensor == "lora_B" else part[stays]
        return found

    def _config(self, component: str) -> AdaLoraConfig:
        """With the pattern from which PEFT knows how many triplets each layer of a file has."""
        config = super()._config(component)
        assert isinstance(config, AdaLoraConfig)
        if config.rank_pattern is not None:
            alive = self._alive(component)
            config.rank_pattern = {f"{path}.lora_E": alive[path].tolist() for path in alive}
        return config

    @torch.no_grad()
    def _put(self, component: str, values: dict[str, Tensor]) -> None:
        """All triplets of a training, or those that a file has left.

        Raises:
            ValueError: they are not the tensors of this adapter.
        """
        parts = self._parts(component)
        if values.keys() != parts.keys():
            raise ValueError(f"the values of {component} are not those of this adapter")
        fewer = False
        for name, part in parts.items():
            value = values[name]
            across = 1 if name.endswith("lora_B") else 0
            rank = value.shape[across] if value.ndim == 2 else -1
            room = part.narrow(across, 0, rank) if 0 <= rank <= part.shape[across] else None
            same_rank = values[name.rpartition(".")[0] + ".lora_E"].shape[0] == rank
            if room is None or room.shape != value.shape or not same_rank:
                raise ValueError(f"{name} of {component} has shape {tuple(value.shape)}")
            fewer = fewer or rank < part.shape[across]
            part.zero_()
            room.copy_(value)
        config = self._tuner(component).peft_config[ADAPTER]
        if fewer:
            alive = {
                f"{path}.lora_E.{ADAPTER}": (parts[f"{path}.lora_E"].flatten() != 0).tolist()
                for path in self._paths[component]
            }
            config.rank_pattern = alive

    def state(self) -> dict[str, Tensor]:
        """What every adapter has, what the allocator has learned, and which triplets stay."""
        found = super().state()
        for component in self._components:
            tuner = self._tuner(component)
            for average in AVERAGES:
                for name, value in getattr(tuner.rankallocator, average).items():
                    found[f"{average}/{component}/{name}"] = value.to("cpu", copy=True)
            for name, alive in (tuner.peft_config[ADAPTER].rank_pattern or {}).items():
                found[f"{PATTERN}/{component}/{name}"] = torch.tensor(alive, dtype=torch.int32)
        return found

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up all of it; the allocator of an earlier state knows less."""
        own = (*AVERAGES, PATTERN)
        parts = {component: self._parts(component) for component in self._components}
        for component in self._components:
            allocator = self._tuner(component).rankallocator
            allocator.reset_ipt()
            self._tuner(component).peft_config[ADAPTER].rank_pattern = None
        super().load({k: v for k, v in state.items() if k.partition("/")[0] not in own})
        for key, value in state.items():
            kind, component, name = key.split("/", 2)
            tuner = self._tuner(component) if kind in own else None
            if tuner is not None and kind == PATTERN:
                config = tuner.peft_config[ADAPTER]
                config.rank_pattern = {**(config.rank_pattern or {}), name: value.bool().tolist()}
            elif tuner is not None:
                part = parts[component][name.removesuffix(f".{ADAPTER}")]
                # PEFT holds the latest importance beside its averages, and asks for it by name.
                tuner.rankallocator.ipt[name] = torch.zeros_like(part)
                getattr(tuner.rankallocator, kind)[name] = value.to(part.device, copy=True)
