"""The classification head on a vision backbone: the task's own, trained beside any method.

A method never sees it. The loop is given one attachment that is both: one step moves both, one
checkpoint holds both, and the footprint is the method's alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from sparse_peft.errors import BackboneError
from sparse_peft.maths.seeds import keyed_generator
from sparse_peft.methods.method import Attachment, Footprint
from sparse_peft.tasks.fewshot.linear_probe import HEAD_FILE
from sparse_peft.tuners.adapter_tensors import checked_tensors

SPREAD = 0.02  # of the first weights, as timm draws those of a ViT
NAMES = ("weight", "bias", "cls_token")  # the last where it is trained
METHOD, OWN = "method/", "head/"  # of what a checkpoint holds


class Head(nn.Module):
    """Class scores as a linear function of what a vision backbone makes of a picture.

    Args:
        seed: of the first weights, which are the same for every method.
        token: the backbone's class token, if it is trained too.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        seed: int,
        device: torch.device,
        token: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        weight = torch.empty(classes, width)
        nn.init.trunc_normal_(weight, std=SPREAD, generator=keyed_generator("head", seed))
        self.weight = nn.Parameter(weight.to(device))
        self.bias = nn.Parameter(torch.zeros(classes, device=device))
        self._token = [] if token is None else [token]  # in a list: it is the backbone's own
        self._token_before = [part.detach().clone() for part in self._token]

    def forward(self, pictures: Float[Tensor, "M D"]) -> Float[Tensor, "M K"]:
        """The scores in single precision, whatever the autocast."""
        with torch.autocast(pictures.device.type, enabled=False):
            return nn.functional.linear(pictures.float(), self.weight, self.bias)

    @property
    def values(self) -> dict[str, nn.Parameter]:
        """All that is trained outside the method, by name."""
        return dict(zip(NAMES, (self.weight, self.bias, *self._token), strict=False))

    def restore_token(self) -> None:
        """Give the backbone its class token back, bit for bit."""
        for part, before in zip(self._token, self._token_before, strict=True):
            part.data.copy_(before)

    def save(self, folder: Path) -> None:
        """Write it as safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        values = {n: p.detach().cpu().contiguous() for n, p in self.values.items()}
        save_file(values, folder / HEAD_FILE)


class SavedHead(NamedTuple):
    """What a classifier's folder holds of a head."""

    weight: Tensor
    bias: Tensor
    cls_token: Tensor | None

    def logits(self, pictures: Float[Tensor, "M D"]) -> Float[Tensor, "M K"]:
        """The scores of each class."""
        return pictures @ self.weight.T + self.bias

    def lend_token(self, token: nn.Parameter | None) -> Callable[[], None]:
        """Put the class token that was trained into a backbone; what takes it out again.

        Raises:
            BackboneError: the backbone has no such token.
        """
        if self.cls_token is None:
            return lambda: None
        if token is None or token.shape != self.cls_token.shape:
            raise BackboneError(f"{HEAD_FILE} holds a class token that the backbone does not have.")
        before, place = token.detach().clone(), token
        place.data.copy_(self.cls_token)

        def give_back() -> None:
            place.data.copy_(before)

        return give_back


def read_head(folder: Path, width: int, classes: int, device: torch.device) -> SavedHead:
    """The head in a classifier's folder.

    Raises:
        BackboneError: damaged, or of another size.
    """
    path = folder / HEAD_FILE
    tensors = checked_tensors(path)
    token = tensors.pop("cls_token", None)
    expected = {"weight": (classes, width), "bias": (classes,)}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected or any(t.dtype != torch.float32 for t in tensors.values()):
        raise BackboneError(
            f"{path} does not hold one score for each of {classes} classes on {width} features."
        )
    weight, bias = (tensors[name].to(device) for name in ("weight", "bias"))
    return SavedHead(weight, bias, token)


class Together(torch.optim.Optimizer):
    """The optimizer of a method and that of a head, stepped as one.

    The groups are those of both, so a learning rate set here is set there.

    Args:
        ratio: of the head's learning rate to the method's.
    """

    def __init__(
        self, method: torch.optim.Optimizer, head: torch.optim.Optimizer, ratio: float
    ) -> None:
        self._parts = (method, head)
        self._ratio = ratio
        super().__init__([{"params": list(group["params"])} for group in head.param_groups], {})
        self.gather()

    def gather(self) -> None:
        """Take up the groups of both; loading a state replaces those of some optimizers."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of both."""
        if closure is not None:
            raise ValueError("the loop computes its own loss; leave the closure out")
        method, head = self._parts
        for group in head.param_groups:
            group["lr"] *= self._ratio  # the loop sets it anew before each step
        method.step()
        head.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of both."""
        for part in self._parts:
            part.zero_grad(set_to_none)


class HeadedAttachment:
    """A method at work and a head beside it, as one `Attachment`.

    Args:
        lr: the head's learning rate; None: the method's.
        weight_decay: decoupled, on the head's weight alone.
    """

    def __init__(
        self, attachment: Attachment, head: Head, lr: float | None, weight_decay: float
    ) -> None:
        self.head = head
        self._method, self._lr, self._weight_decay = attachment, lr, weight_decay
        for value in head.values.values():
            value.requires_grad_(True)  # a method freezes all that is not its own
        self._own: torch.optim.AdamW | None = None
        self._optimizer: Together | None = None

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """The method's, and AdamW on the head, as one."""
        if self._optimizer is None:
            weight, *others = self.head.values.values()
            groups = [
                {"params": [weight], "weight_decay": self._weight_decay},
                {"params": others, "weight_decay": 0.0},
            ]
            self._own = torch.optim.AdamW(groups, lr=lr)
            ratio = 1.0 if self._lr is None else self._lr / lr
            self._optimizer = Together(self._method.optimizer(lr), self._own, ratio)
        return self._optimizer

    def before_forward(self, step: int) -> None:
        """The method's own."""
        self._method.before_forward(step)

    def penalty(self) -> Tensor | None:
        """The method's own."""
        return self._method.penalty()

    def leaves(self) -> list[Tensor]:
        """Those of the method, and the head's values."""
        return [*self._method.leaves(), *self.head.values.values()]

    def clip(self, max_norm: float) -> None:
        """Scale the gradients of both down together."""
        nn.utils.clip_grad_norm_(self.leaves(), max_norm)

    def after_step(self, step: int) -> None:
        """The method's own."""
        self._method.after_step(step)

    def measured(self) -> Footprint:
        """The method's: every method has the same head."""
        return self._method.measured()

    def state(self) -> dict[str, Tensor]:
        """Of both: values, moments and all else."""
        found = {f"{METHOD}{key}": value for key, value in self._method.state().items()}
        for name, value in self.head.values.items():
            found[f"{OWN}{name}/value"] = value.detach()
            if self._own is not None:
                for key, moment in self._own.state[value].items():
                    found[f"{OWN}{name}/{key}"] = moment
        return {key: value.to("cpu", copy=True).contiguous() for key, value in found.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go back to where `state` was taken; the optimizer must have been made before."""
        if self._own is None or self._optimizer is None:
            raise ValueError("make the optimizer before loading its state")
        own: dict[str, dict[str, Tensor]] = {name: {} for name in self.head.values}
        for key in [key for key in state if key.startswith(OWN)]:
            name, _, part = key.removeprefix(OWN).partition("/")
            own[name][part] = state[key]
        for name, value in self.head.values.items():
            value.data.copy_(own[name].pop("value"))
            self._own.state[value] = {
                key: moment.clone() if moment.ndim == 0 else moment.to(value.device, copy=True)
                for key, moment in own[name].items()
            }
        self._method.load(
            {k.removeprefix(METHOD): v for k, v in state.items() if k.startswith(METHOD)}
        )
        self._optimizer.gather()

    def save(self, folder: Path) -> None:
        """Write what the method keeps, and the head beside it."""
        self._method.save(folder)
        self.head.save(folder)

    def change(self, target: str) -> Tensor:
        """The method's own."""
        return self._method.change(target)

    def remove(self, keep: bool) -> None:
        """Leave plain modules behind; the head is not one of the backbone's."""
        self._method.remove(keep)
        if not keep:
            self.head.restore_token()
