"""The finished comparisons that come with the studio: open to all, and nobody's to change."""

from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sparse_peft import tables
from sparse_peft.metrics.answers import Answers
from sparse_peft.report.classes.predictions import read_predictions
from sparse_peft.report.pictures import Read, Source, below
from sparse_peft.ui.desk.draft import Task

SUBJECT, CLASSES = "example", "example-classes"  # their ids
FITTING = "example-that-fits"  # asked for in place of an id: the one of the page's task
CONTENT, PREDICTIONS = "comparison.json", "predictions.csv"

_ROOT = Path(__file__).parents[3] / "examples"
FOLDERS = {SUBJECT: _ROOT / "comparison", CLASSES: _ROOT / "classes_comparison"}


def is_there(comparison: str | None) -> bool:
    """Whether this is the id of one of them."""
    return comparison in FOLDERS and (FOLDERS[comparison] / CONTENT).is_file()


def fitting(task: Task) -> str:
    """The id of the one that is about the same as the page."""
    return CLASSES if task == "fewshot" and is_there(CLASSES) else SUBJECT


def content(comparison: str) -> dict[str, Any]:
    """Its `comparison.json`; nobody may change it."""
    path = FOLDERS[comparison] / CONTENT
    return _content(path, path.stat().st_mtime_ns)


def source(comparison: str) -> Source:
    """The address of each of its pictures, by the path in it."""
    return lambda path: f"/studio/{comparison}/{quote(path)}"


def read(comparison: str) -> Read:
    """The content of its files, by their path in it."""
    return below(FOLDERS[comparison])


def answers(comparison: str) -> dict[str, dict[int, Answers]]:
    """What each row of the one about classes said of its test pictures, by seed."""
    path = FOLDERS[comparison] / PREDICTIONS
    return _answers(path, path.stat().st_mtime_ns, tuple(content(comparison)["classes"]))


@lru_cache(maxsize=8)
def _content(path: Path, stamp: int) -> dict[str, Any]:
    del stamp  # of another content: read anew
    return tables.read_json(path)


@lru_cache(maxsize=8)
def _answers(path: Path, stamp: int, classes: tuple[str, ...]) -> dict[str, dict[int, Answers]]:
    del stamp
    return read_predictions(path, classes)
