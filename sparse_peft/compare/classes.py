"""A few-shot comparison as one dictionary, and the files beside it.

The dictionary is `comparison.json`, format 1; docs/comparison_format.md explains every key.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparse_peft import files
from sparse_peft.backbones.source import BUILTIN_TITLE
from sparse_peft.compare.class_rows import ClassRow, reference_row, trained_row
from sparse_peft.compare.examples import chosen, confused
from sparse_peft.comparison import ClassesOutcome, RunOutcome
from sparse_peft.measure.classes import Prepared, read_prepared
from sparse_peft.metrics import intervals, label_pairs, labels
from sparse_peft.report.classes.predictions import LEARNED, Said, predictions_csv
from sparse_peft.report.classes.sheet import draw as chart

FORMAT = 1

INTERVAL_RULE = (
    f"{intervals.LEVEL * 100:.0f} % over test pictures and draws of the shots. The standard error "
    "adds what the test pictures make (a picture counts in all draws at once) and what the draws "
    "differ by; t with Satterthwaite's degrees of freedom widens it for few draws. Accuracies: "
    "Wilson's interval with the number of pictures that this amounts to. Macro-F1 and calibration "
    "error: computed again with random weights of the pictures (Bayesian bootstrap), {resamples} "
    "times. Calibration error: expected, of the predicted class, 15 bins of equal width; it comes "
    "out higher the fewer test pictures there are, and its interval is around that value. "
    "One draw: what another draw would change is not in the interval."
)
PAIRS_RULE = (
    "Same test picture, same draw of the shots. wins counts pictures that a recognises and b does "
    "not. The word tests the mean difference, with an error as for the intervals, less one picture "
    "(Edwards's correction), and corrected by Holm's rule over all rows compared with b: Clear at "
    "95 %, Leaning at 80 %, else Cannot tell. "
    f"Fewer than {label_pairs.PICTURES_FOR_CLEAR} test pictures: never Clear. "
    "Count and mean pointing different ways: Cannot tell."
)


def assemble(outcome: ClassesOutcome) -> dict[str, Any]:
    """The content of `comparison.json`. What is absent is None; a damaged run says so in its error.

    Raises:
        RunError: the outputs of the prepare run cannot be read.
    """
    prepared = read_prepared(outcome) if outcome.prepared else None
    told: Mapping[str, Any] = prepared.report if prepared else {}
    rows = _rows(outcome, prepared)
    shown = chosen(rows, outcome.classes)
    return {
        "format": FORMAT,
        "id": outcome.id,
        "task": outcome.task,
        "backbone": told.get("backbone")
        or {"id": outcome.backbone, "sha256": None, "title": _title(outcome.backbone)},
        "dataset": {
            "id": outcome.dataset,
            "title": outcome.title,
            "published": outcome.published,
        },
        "classes": list(outcome.classes),
        "new_classes": list(outcome.new_classes),
        "shots": outcome.shots,
        "seeds": list(outcome.seeds),
        "template": outcome.template,
        "budget": outcome.budget,
        "preset": outcome.preset,
        "reproduces": outcome.reproduces or None,
        "recipe": dict(outcome.recipe) or None,
        "alike": told.get("alike", []),
        "base": None,
        "test_pictures": _counts(outcome, prepared, "test"),
        "new_test_pictures": _counts(outcome, prepared, "new"),
        "intervals": _intervals(outcome, prepared),
        "device": told.get("device"),
        "versions": told.get("versions", {}),
        "command": outcome.command,
        "reference": outcome.references[0],
        "examples": {str(place): f"pictures/{place}.png" for place in sorted(shown)},
        "names": {str(place): outcome.names.get(place, "") for place in sorted(shown)},
        "runs": [row.value | {"confused": confused(row, shown)} for row in rows],
        "pairs": _pairs(rows, outcome.references[0]),
    }


def fill(folder: Path, outcome: ClassesOutcome, value: Mapping[str, Any]) -> None:
    """Adapters, classifiers, maps and thumbnails, to where the dictionary says; table and chart."""
    runs = [run for row in value["runs"] for run in row["runs"]]
    for path in sorted({run["adapter"] for run in runs if run["adapter"]}):
        shutil.copytree(outcome.place(path), folder / path)
    maps = [run["change"] for run in runs if run["change"]]
    for path in [*maps, *value["examples"].values()]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(outcome.content(path))
    files.write_text(folder / "predictions.csv", predictions(outcome))
    chart(value).save(folder / "chart.png")


def _title(backbone: str) -> str | None:
    """What is known of a backbone before anything has read it."""
    return BUILTIN_TITLE if backbone == "builtin" else None


def _rows(outcome: ClassesOutcome, prepared: Prepared | None) -> list[ClassRow]:
    """The references, then the methods as ticked."""
    trained: dict[str, list[RunOutcome]] = {}
    for run in outcome.runs:
        trained.setdefault(run.method, []).append(run)
    return [
        *(reference_row(name, outcome, prepared) for name in outcome.references),
        *(trained_row(runs, outcome, prepared) for runs in trained.values()),
    ]


def _counts(outcome: ClassesOutcome, prepared: Prepared | None, key: str) -> dict[str, int]:
    """Test pictures of each draw."""
    if prepared is None:
        return {}
    return {str(seed): len(prepared.draws[seed][key]) for seed in outcome.seeds}


def _intervals(outcome: ClassesOutcome, prepared: Prepared | None) -> dict[str, Any]:
    answers = sum(_counts(outcome, prepared, "test").values())
    resamples = labels.resamples(answers)
    return {
        "level": intervals.LEVEL,
        "resamples": resamples,
        "rule": INTERVAL_RULE.format(resamples=resamples),
        "pairs_rule": PAIRS_RULE,
    }


def _pairs(rows: Sequence[ClassRow], reference: str) -> list[dict[str, Any]]:
    columns = {
        row.value["method"]: {seed: one.answers for seed, one in row.said.items()}
        for row in rows
        if row.said
    }
    return [
        {"metric": "accuracy"}
        | pair._asdict()
        | {"losses": pair.of - pair.wins - pair.ties, "difference": pair.difference._asdict()}
        for pair in label_pairs.all_pairs(columns, reference)
    ]


def predictions(outcome: ClassesOutcome) -> str:
    """The table of all answers; nothing but its head before something was measured."""
    prepared = read_prepared(outcome) if outcome.prepared else None
    told = [
        Said(row.value["method"], row.value["runs"][number]["id"], seed, kind, answers, names)
        for row in _rows(outcome, prepared)
        for number, seed in enumerate(row.value["seeds"])
        if seed in row.said
        for kind, answers, names in (
            (LEARNED, row.said[seed].answers, outcome.classes),
            ("new", row.said[seed].new, outcome.new_classes),
        )
        if answers
    ]
    return predictions_csv(told, outcome.names)
