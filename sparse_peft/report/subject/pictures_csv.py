"""A comparison as a table for a spreadsheet: one row a picture, with its scores."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from sparse_peft.report.columns import BASE
from sparse_peft.report.subject.steps import last_step

COLUMNS = (
    "method", "run", "step", "prompt", "plain_prompt", "seed", "subject", "prompt_score", "path",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet would compute

Comparison = Mapping[str, Any]


def pictures_csv(comparison: Comparison) -> str:
    """The base's pictures, then each run's by step, as RFC 4180 has it; what is absent is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    rows.writeheader()
    for sample in comparison["base"]["samples"]:
        rows.writerow(_row(comparison, sample) | {"method": BASE, "run": BASE, "step": 0})
    for run in comparison["runs"]:
        last = last_step(run)
        for sample in (*run["history"], *({"step": last} | row for row in run["samples"])):
            named = {"method": run["method"], "run": run["id"], "step": sample["step"]}
            rows.writerow(_row(comparison, sample) | named)
    return text.getvalue()


def _row(comparison: Comparison, sample: Mapping[str, Any]) -> dict[str, Any]:
    prompt, plain = sample["prompt"], comparison["plain_prompts"]
    return {
        "prompt": harmless(comparison["prompts"][prompt]),
        "plain_prompt": harmless(plain[prompt]) if plain else None,
        **{key: sample[key] for key in ("seed", "subject", "prompt_score", "path")},
    }


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet computes."""
    return f"'{text}" if text.startswith(FORMULA) else text
