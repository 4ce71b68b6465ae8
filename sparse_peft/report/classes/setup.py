"""What a paper needs to say about a few-shot comparison, in words."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.classes.words import listed, tested
from sparse_peft.report.shortened import steps_of
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE

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
            f"{comparison['dataset']['title']}: {_learned(comparison)}, drawn with seeds {seeds}; "
            f"{tested(comparison)}.",
        ),
        *_prompt(comparison),
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


def _learned(comparison: Comparison) -> str:
    """What is learned from; of a set with splits of its own, which."""
    shots, recipe = comparison["shots"], comparison.get("recipe") or {}
    many = "all pictures" if shots is None else f"{shots} of each class"
    splits = " and ".join(recipe.get("learn_from", ()))
    of = f" (of {splits}; tested on {recipe['evaluate']})" if splits else ""
    return f"{many} to learn from{of}"


def _prompt(comparison: Comparison) -> list[tuple[str, str]]:
    """What CLIP reads; a vision backbone has a head instead."""
    if comparison["reference"] == LINEAR_PROBE:
        text = "Linear, on the backbone's pooled features; trained beside every method, and not in"
        return [("Head", f"{text} its budget.")]
    return [("Prompt", f"“{comparison['template']}”, {{}} stands for the class.")]


def _recipe(comparison: Comparison) -> list[tuple[str, str]]:
    recipe = comparison.get("recipe")
    if not recipe:  # of a comparison that was written before it was kept
        return []
    layers, _, tower = recipe["targets"].partition(":")
    if comparison["reference"] == LINEAR_PROBE:
        return [("Training", _of_vision(recipe))]
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


def _of_vision(recipe: Mapping[str, Any]) -> str:
    area = f", from {100 * recipe['smallest_crop']:.0f} % of the area"
    crop = "" if recipe["augmentation"] == "none" else area
    extras = [
        *([f"Colours by up to {100 * recipe['jitter']:.0f} %."] if recipe["jitter"] else []),
        *(["The class token is trained too."] if recipe["cls_token"] else []),
        *([f"Branches left out: up to {recipe['drop_path']:g}."] if recipe["drop_path"] else []),
    ]
    view = {k: v for k, v in (recipe["view"] or {}).items() if v is not None}
    shown = ", ".join(f"{name} {value}" for name, value in view.items()) or "as its settings say"
    return " ".join([
        f"Layers that may be tuned: {recipe['targets']}. Pictures: {recipe['augmentation']}{crop}.",
        *extras, f"Shown: {shown}. {recipe['precision']}.",
    ])  # fmt: skip


def _row(row: Mapping[str, Any]) -> str:
    first = row["runs"][0]
    settings = first["settings"]
    if "lr" not in settings:
        return f"On frozen features. {row['source']}."
    return (
        f"{row['knob'] or 'size unknown'}, learning rate {settings['lr']:g}, "
        f"{steps_of(first)}"
        + (f", batches of {settings['batch_size']}" if "batch_size" in settings else "")
        + f", preset {settings['preset'] or 'none'}. {row['source']}."
    )
