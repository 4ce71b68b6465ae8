"""Comparisons that are asked for and quick to do: for tests of what stands above the runs."""

from pathlib import Path
from typing import Any

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.data.subject import Subject
from sparse_peft.planning import Choices, ComparisonPlan, plan
from sparse_peft.runs.spec import ComparisonSpec, RunSpec
from sparse_peft.runs.store import Store
from tests.tasks.local_job import draw_subject

PROMPTS = ("a {subject} in the snow",)

PRESET = """\
task = "dreambooth"
backbone = "builtin"
name = "tiny"
title = "Tiny"
source = "this test"
lora_ranks = 1

[shared]
judge = "builtin"
targets = "attention"
precision = "fp32"
resolution = 64
seeds = [0, 1, 2]

[shared.sampling]
steps = 2

[training]
steps = 2
sample_every = 1
checkpoint_every = 1

[methods.lora]
lr = 1e-2
[methods.waveft]
lr = 1e-2
[methods.so]
lr = 1e-2
"""


def write_preset(path: Path, *changes: tuple[str, str]) -> Path:
    """A preset file with some of its text replaced."""
    text = PRESET
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def choose(root: Path, **changes: Any) -> Choices:
    """Choices on a drawn subject that is saved below root/home."""
    preset = presets.preset(str(write_preset(root / "tiny.toml")), "dreambooth", "builtin")
    decoded = root / "decoded"
    decoded.mkdir()
    subject, _ = Subject.from_folder(draw_subject(root / "pictures"), "cat", decoded, token="sks")
    subject.save(decoded, root / "home" / "data")
    given: dict[str, Any] = {
        "source": sources.resolve("builtin"), "subject": subject, "subject_id": subject.id,
        "preset": preset, "methods": ("waveft", "lora", "so"), "budget": None, "steps": None,
        "prompts": PROMPTS, "seed": 0, "train_seeds": 1,
    }  # fmt: skip
    return Choices(**given | changes)


def submit(root: Path, **changes: Any) -> tuple[ComparisonSpec, list[RunSpec], ComparisonPlan]:
    """A comparison that waits in the store of root/home."""
    planned = plan(choose(root, **changes), root / "home")
    with Store(root / "home") as store:
        store.submit(planned[0], planned[1])
    return planned
