"""`methods` and `presets`: what there is to choose from."""

import argparse
import json
from typing import Any

from sparse_peft import tables
from sparse_peft.methods import all_methods
from sparse_peft.methods.fields import settings
from sparse_peft.presets import AnyPreset, MethodDefaults, all_presets
from sparse_peft.tasks.fewshot.recipe import ClassTrainingDefaults


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Arguments of `methods`."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_methods)


def add_presets(parser: argparse.ArgumentParser) -> None:
    """Arguments of `presets`."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_presets)


def _methods(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "title": method.title,
            "source": method.source,
            "fields": [tables.table(field) for field in settings(method)],
        }
        for name, method in all_methods().items()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print(f"{row['name']:8} {row['title']}\n{'':8} {row['source']}")
        for field in row["fields"]:
            print(f"{'':10}{field['name']} = {field['default']}  ({field['help']})")
    return 0


def _presets(options: argparse.Namespace) -> int:
    presets = all_presets()
    if options.json:
        print(json.dumps([tables.table(preset) for preset in presets], indent=1))
        return 0
    for preset in presets:
        rates = ", ".join(_rate(name, ours) for name, ours in sorted(preset.methods.items()))
        key = f"{preset.task:10} {preset.backbone:8} {preset.name:9}"
        print(f"{key} {_length(preset)}, {rates}")
    return 0


def _rate(name: str, ours: MethodDefaults) -> str:
    falls = f" * budget^{ours.lr_exponent:g}" if ours.lr_exponent else ""
    return f"{name} lr {ours.lr:g}{falls}"


def _length(preset: AnyPreset) -> str:
    training = preset.training
    if isinstance(training, ClassTrainingDefaults):
        least = f", at least {training.least_steps}" if training.least_steps > 1 else ""
        most = f", at most {training.most_steps}" if training.most_steps else ""
        if training.epochs is not None:
            return f"{training.epochs} epochs{least}{most}"
        return f"{training.steps_per_shot} steps a shot{least}{most}"
    return f"{training.steps} steps"
