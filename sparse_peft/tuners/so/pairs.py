"""A model and its SO, where both are asked for."""

from torch import nn

from sparse_peft.tuners.so.optimizer import SO


def check_kinds(function: str, model: object, so: object) -> None:
    """Refuse what is no model and its SO, in this order.

    Raises:
        TypeError: names the function that was called, and what it got.
    """
    if not isinstance(model, nn.Module) or not isinstance(so, SO):
        raise TypeError(
            f"{function} takes a model and its SO, in this order; "
            f"got {type(model).__name__} and {type(so).__name__}"
        )


def check_shared(model: nn.Module, so: SO) -> None:
    """Refuse an SO that tunes nothing of the model.

    Raises:
        ValueError: it was made for another model, or for the model that this one is a copy of.
    """
    tuned = {param for group in so.param_groups for param in group["params"]}
    if not any(param in tuned for param in model.parameters()):
        raise ValueError(
            "SO: it tunes none of this model's parameters, so nothing would be trained; make it "
            "for this very model, SO(model.parameters()), and after copying the model, not before"
        )
