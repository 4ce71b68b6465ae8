"""How large the folder of an adapter will be, before there is one."""

import json

from sparse_peft import tables
from sparse_peft.methods.adapters import FORMAT, Card
from sparse_peft.methods.method import Footprint, Method, Plan, Shapes
from sparse_peft.tuners.layout import (
    DELTA_HASHES,
    DELTA_NAME,
    HASH_DIGITS,
    PEFT_NAME,
    PEFT_PREFIX,
    file_of,
)
from sparse_peft.tuners.paths import path_of

NUMBER_BYTES = 4  # fp32 values and int32 indices
CONFIG_BYTES = 800  # of PEFT's adapter_config.json


def expected_bytes(
    method: Method, backbone: str, shapes: Shapes, plan: Plan, footprint: Footprint
) -> int:
    """About how large an adapter folder will be: its numbers, their names, its card.

    Args:
        backbone: its id, which the card holds.
        footprint: the method's, for these shapes and this plan.
    """
    card = Card(FORMAT, method.name, tables.table(method), backbone, "0" * 64, tuple(shapes), plan)
    written = len(json.dumps(tables.table(card), indent=1))
    return NUMBER_BYTES * footprint.stored + _header_bytes(method, shapes, footprint) + written


def _header_bytes(method: Method, shapes: Shapes, footprint: Footprint) -> int:
    """How long the headers are: the names of all tensors, where they lie, and what is besides."""
    by_shape = {shape: method.tensors(shape) for shape in set(shapes.values())}
    kind = file_of(next(iter(by_shape.values())))
    prefix = PEFT_PREFIX if kind == PEFT_NAME else ""
    count = sum(len(by_shape[shape]) for shape in shapes.values())
    each, last = footprint.stored // count, NUMBER_BYTES * footprint.stored
    entry = f'{prefix}."":{{"dtype":"F32","shape":[{each}],"data_offsets":[{last},{last}]}},'
    names = sum(
        len(path_of(target)) + len(name)
        for target, shape in shapes.items()
        for name in by_shape[shape]
    )
    config = CONFIG_BYTES if kind == PEFT_NAME else 0
    note = _note_bytes(shapes) if kind == DELTA_NAME else 0
    return count * len(entry) + names + config + note


def _note_bytes(shapes: Shapes) -> int:
    """How long the header's note of a difference is: a string in JSON, itself JSON."""
    hashes = ["0" * HASH_DIGITS] * DELTA_HASHES
    note = {path_of(target): [list(shape), *hashes] for target, shape in shapes.items()}
    return len(json.dumps(json.dumps(note, separators=(",", ":"))))
