"""Prompts of a person's own, drawn after the training: what their runs left behind."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sparse_peft.comparison import BASE
from sparse_peft.underway import below_samples

DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError)


def drawn_prompt(run: str, folder: Path, columns: Collection[str]) -> dict[str, Any]:
    """An entry of `drawn` in `comparison.json`; of a damaged run its error alone.

    Args:
        run: its id in the store.
        folder: the run's own.
        columns: runs of the comparison by their name there; pictures of others are left out.
    """
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        (seed,) = report["seeds"]
        samples = {
            name: _sample(run, folder, row)
            for name, (row,) in report["samples"].items()
            if name == BASE or name in columns
        }
    except DAMAGE as error:
        said = f"{folder} is damaged: what it drew cannot be read ({error})."
        return {"run": run, "error": said, "prompt": None, "seed": None, "samples": {}}
    return {
        "run": run, "error": None, "prompt": str(report["prompt"]), "seed": int(seed),
        "samples": samples,
    }  # fmt: skip


def _sample(run: str, folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    path = row["path"]
    if not below_samples(path) or not (folder / path).is_file():
        raise ValueError(f"{path} is missing")
    scores = {key: row[key] for key in ("subject", "prompt_score")}
    return {"path": f"drawn/{run}/{path}", **scores}
