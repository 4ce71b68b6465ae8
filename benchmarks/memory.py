"""How much memory a training step takes, by torch's own allocator on a CPU."""

import gc
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile


def peak_bytes(call: Callable[[], object]) -> int:
    """Most bytes that were held at once of those that the call asked for."""
    call()  # what the first call makes for good is not of the step
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as found:
        call()
    results = found.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        # What a call frees before it asks for anything was there before: the gradient of the last.
        if most > 0 or event.nbytes() > 0:
            held += event.nbytes()
            most = max(most, held)
    return most


def kept_bytes(call: Callable[[], object]) -> int:
    """Bytes that the forward pass makes and keeps for the backward pass."""
    found = [thing for thing in gc.get_objects() if type(thing) in (Tensor, nn.Parameter)]
    tensors = [tensor for tensor in found if tensor.device.type == "cpu"]
    standing = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in standing:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    return sum(kept.values())
