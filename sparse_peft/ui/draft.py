"""What a person has put on their desk and not yet started: kept at every change."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sparse_peft import files, tables
from sparse_peft.data.findings import Finding
from sparse_peft.data.pictures import Picture
from sparse_peft.errors import UserError

DRAFT_FILE = "draft.json"
METHODS = ("lora", "waveft", "so")  # ticked at the start
Value = int | float | str | bool | None

_locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)  # two tabs, one draft


@dataclass(frozen=True)
class Draft:
    """The forms of the page as one person left them."""

    pictures: tuple[Picture, ...] = ()
    """clean ones, each a PNG in the desk's pictures folder"""
    findings: tuple[Finding, ...] = ()
    """what the checks said of the pictures; a finding names its picture"""
    offered: int = 0
    """how many files were given, readable or not"""
    noun: str = ""
    token: str | None = None
    """None: the next free one"""
    backbone: str = "builtin"
    preset: str = "quick"
    stop: int | None = None
    """place on the budget scale, 0 to 48; None: the preset's budget"""
    methods: tuple[str, ...] = METHODS
    over: tuple[str, ...] = ()
    """of the ticked ones, those added at their smallest although it is over the budget"""
    steps: int | None = None
    """None: the preset's"""
    train_seeds: int = 1
    seed: int = 0
    prompts: tuple[str, ...] = ()
    """empty: the usual ones"""
    fields: dict[str, dict[str, Value]] = field(default_factory=dict)
    """settings of a method that differ from the preset's, by method"""
    lr: dict[str, float] = field(default_factory=dict)
    """learning rates that differ from the preset's, by method"""


def read(folder: Path) -> Draft:
    """The draft in a desk's folder; an empty one where there is none that can be read."""
    path = folder / DRAFT_FILE
    if not path.is_file():
        return Draft()
    try:
        return tables.build(Draft, tables.read_json(path), str(path))
    except UserError:  # of an older version, or damaged: a form is not worth refusing the page
        return Draft()


def change(folder: Path, **fields: Any) -> Draft:
    """Replace some fields and keep the result."""
    with _locks[folder]:
        draft = replace(read(folder), **fields)
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / DRAFT_FILE, tables.table(draft))
    return draft
