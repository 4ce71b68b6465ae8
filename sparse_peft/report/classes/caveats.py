"""What to bear in mind of a few-shot comparison: what stands under its verdicts."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.metrics.label_pairs import PICTURES_FOR_CLEAR
from sparse_peft.report import words
from sparse_peft.report.classes.levels import guessing
from sparse_peft.report.classes.words import listed
from sparse_peft.report.shortened import shortened
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ZERO_SHOT

Comparison = Mapping[str, Any]

LEARNING_RATES = (
    "Presets' learning rates were chosen on other pictures; a better one may exist for any method."
)

TWO_DRAWS = (
    "With two draws an interval rests on one difference between them, so it can come out far too "
    "wide, or too narrow. Take three draws or more."
)


def caveats(comparison: Comparison) -> list[str]:
    """What stands under the verdicts, always; nothing until something is measured."""
    if all(row["metrics"]["accuracy"] is None for row in comparison["runs"]):
        return []
    found = [_draws(comparison), *_two_draws(comparison), *_shortened(comparison)]
    counts = comparison["test_pictures"].values()
    if counts and min(counts) < PICTURES_FOR_CLEAR:
        found.append(
            f"Fewer than {PICTURES_FOR_CLEAR} test pictures: never more than Leaning. "
            "Add test pictures to know more."
        )
    compared = {pair["a"] for pair in comparison["pairs"]}
    if len(compared) > 1:
        found.append(
            f"A stricter rule is used because {words.small(len(compared))} rows are compared."
        )
    found += [*_guessing(comparison), *_alike(comparison)]
    for row in comparison["runs"]:
        for run in row["runs"]:
            found += _ended(row["label"], run)
    if any(row["method"] == LINEAR_PROBE for row in comparison["runs"]):
        found.append(
            "Zero-shot and the linear probe leave CLIP as it is; they are outside the budget."
            if comparison["reference"] == ZERO_SHOT
            else "The linear probe leaves the backbone as it is. It is outside the budget, and so "
            "is the head that every method trains."
        )
    if comparison["reproduces"]:
        found.append(f"The preset repeats a published result: {comparison['reproduces']}")
    return [*found, LEARNING_RATES]


def _guessing(comparison: Comparison) -> list[str]:
    """Which rows could be guessing, as far as their intervals tell."""
    chance = guessing(comparison)
    measured = [row for row in comparison["runs"] if row["metrics"]["accuracy"]]
    poor = [
        row["label"]
        for row in measured
        if row["metrics"]["accuracy"]["low"] is None or row["metrics"]["accuracy"]["low"] <= chance
    ]
    if not poor:
        return []
    verb = "is" if len(poor) == 1 else "are"
    return [
        f"Guessing would name {100 * chance:.0f} % right: {listed(poor)} {verb} not clearly better "
        "than that here."
    ]


def _alike(comparison: Comparison) -> list[str]:
    return [
        f"CLIP reads “{a}” and “{b}” almost alike. Names that say what the pictures show would "
        "help the methods to tell them apart."
        for a, b in (comparison.get("alike") or [])[:1]
    ]


def _draws(comparison: Comparison) -> str:
    draws = len(comparison["seeds"])
    if draws > 1:
        return f"From {words.small(draws)} draws of the shots, each method trained on each once."
    seconds = [run["seconds"] or 0.0 for row in comparison["runs"] for run in row["runs"]]
    more = 2 * sum(seconds)
    price = f" (about {words.duration(60 * max(1, round(more / 60)))} more)" if more else ""
    return (
        "From one draw of the shots and one training on it each. Another draw would move them "
        f"too. Train on 3 draws{price}."
    )


def _two_draws(comparison: Comparison) -> list[str]:
    return [TWO_DRAWS] if len(comparison["seeds"]) == 2 else []


def _shortened(comparison: Comparison) -> list[str]:
    measured = [
        (row["label"], run)
        for row in comparison["runs"]
        for run in row["runs"]
        if run["run"] and run["accuracy"] is not None
    ]
    return shortened(measured)


def _ended(label: str, run: Mapping[str, Any]) -> list[str]:
    if run["accuracy"] is None or run["stopped_at"] is None:
        return []
    return [
        f"{label}, draw {run['seed']}, was stopped at step {run['stopped_at']} of "
        f"{run['settings']['steps']} and is compared as it stood then."
    ]
