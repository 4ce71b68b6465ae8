"""What a paper needs to say about a comparison on one subject, in words."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.shortened import steps_of

Comparison = Mapping[str, Any]


def setup(comparison: Comparison) -> list[tuple[str, str]]:
    """What a paper needs to say about a comparison: a heading and a text for each part."""
    backbone, judge = comparison["backbone"], comparison["judge"]
    prompts = "; ".join(comparison["prompts"])
    training = "; ".join(comparison["training_prompts"] or ["unknown"])
    pictures = words.counted(len(comparison["pictures"]), "picture")
    tested = words.counted(len(comparison["prompts"]), "prompt")
    return [
        (
            "Backbone",
            f"{backbone['title'] or backbone['id']} ({backbone['id']}), "
            f"weights sha256 {backbone['sha256'] or 'unknown'}.",
        ),
        (
            "Subject",
            f"{pictures} of one {comparison['noun']}, token "
            f"“{comparison['token']}”; training prompts: {training}.",
        ),
        *((run["label"], _run(run)) for run in comparison["runs"]),
        (
            "Test pictures",
            f"{tested}, seeds "
            f"{', '.join(map(str, comparison['seeds']))}; the same starting noise in every column. "
            f"Prompts: {prompts}. The judge reads them without the token.",
        ),
        (
            "Judge",
            f"{judge['id']}, revision {judge['revision']}."
            if judge
            else "None: nothing was measured.",
        ),
        ("Intervals", comparison["intervals"]["rule"]),
        ("Pairs", comparison["intervals"]["pairs_rule"]),
        (
            "Machine",
            f"{comparison['device'] or 'unknown'}; "
            + ", ".join(f"{name} {version}" for name, version in comparison["versions"].items()),
        ),
    ]


def _run(run: Mapping[str, Any]) -> str:
    settings = run["settings"]
    return (
        f"{run['knob'] or 'size unknown'}, learning rate {settings['lr']:g}, "
        f"{steps_of(run)}, seed {settings['seed']}, preset "
        f"{settings['preset'] or 'none'}. {run['source']}"
    )
