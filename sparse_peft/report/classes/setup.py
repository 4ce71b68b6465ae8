"""What a paper needs to say about a few-shot comparison, in words."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.classes.words import listed, tested

Comparison = Mapping[str, Any]


def setup(comparison: Comparison) -> list[tuple[str, str]]:
    """A heading and a text for each part."""
    backbone, seeds = comparison["backbone"], ", ".join(map(str, comparison["seeds"]))
    new = comparison["new_classes"]
    learned = f"{words.count(len(comparison['classes']))}: {listed(comparison['classes'])}."
    return [
        (
            "Backbone",
            f"{backbone['title'] or backbone['id']} ({backbone['id']}), "
            f"weights sha256 {backbone['sha256'] or 'unknown'}.",
        ),
        ("Classes", learned + (f" New classes, only tested on: {listed(new)}." if new else "")),
        (
            "Pictures",
            f"{comparison['dataset']['title']}: {comparison['shots']} of each class to learn from, "
            f"drawn with seeds {seeds}; {tested(comparison)}.",
        ),
        ("Prompt", f"“{comparison['template']}”, {{}} stands for the class."),
        *_recipe(comparison),
        *((row["label"], _row(row)) for row in comparison["runs"]),
        ("Preset", f"{comparison['preset']}. {comparison['reproduces'] or ''}".strip()),
        ("Intervals", comparison["intervals"]["rule"]),
        ("Pairs", comparison["intervals"]["pairs_rule"]),
        (
            "Machine",
            f"{comparison['device'] or 'unknown'}; "
            + ", ".join(f"{name} {version}" for name, version in comparison["versions"].items()),
        ),
    ]


def _recipe(comparison: Comparison) -> list[tuple[str, str]]:
    recipe = comparison.get("recipe")
    if not recipe:  # of a comparison that was written before it was kept
        return []
    layers, _, tower = recipe["targets"].partition(":")
    where = f"of the {tower} tower" if tower else "of both towers"
    scale = "the backbone's own" if recipe["scale"] is None else f"{recipe['scale']:g}"
    return [
        (
            "Training",
            f"Layers that may be tuned: {layers} {where}. Pictures: {recipe['augmentation']}, from "
            f"{100 * recipe['smallest_crop']:.0f} % of the area. Cosines times {scale}. "
            f"{recipe['precision']}.",
        )
    ]


def _row(row: Mapping[str, Any]) -> str:
    settings = row["runs"][0]["settings"]
    if "lr" not in settings:
        return f"On frozen features. {row['source']}."
    return (
        f"{row['knob'] or 'size unknown'}, learning rate {settings['lr']:g}, "
        f"{words.count(settings['steps'])} steps"
        + (f", batches of {settings['batch_size']}" if "batch_size" in settings else "")
        + f", preset {settings['preset'] or 'none'}. {row['source']}."
    )
