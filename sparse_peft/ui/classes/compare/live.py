"""A few-shot comparison for the page: put together once for every state of its runs."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sparse_peft.compare import classes
from sparse_peft.comparison import REPORT, ClassesOutcome
from sparse_peft.errors import RunError
from sparse_peft.measure.classes import read_prepared, read_run
from sparse_peft.metrics.answers import Answers
from sparse_peft.ui.watch.watcher import stamp

KEPT = 48  # what was put together of comparisons; one of 12 methods and 20 classes takes 1 MB
AT_WORK = ("queued", "running")

Made = TypeVar("Made")
BySeed = Mapping[int, Answers]

_kept: OrderedDict[tuple[str, Path], tuple[object, Any]] = OrderedDict()
_lock = threading.RLock()


def assembled(outcome: ClassesOutcome) -> dict[str, Any]:
    """What its `comparison.json` would hold at this moment; nobody may change it.

    Raises:
        RunError: the outputs of the prepare run cannot be read.
    """
    return _once("assembled", outcome, classes.assemble)


def answers_of(outcome: ClassesOutcome) -> Mapping[str, BySeed]:
    """What each row that has been measured said of its test pictures, by seed.

    Raises:
        RunError: as in `assembled`.
    """
    return _once("answers", outcome, _answers)


def _once(what: str, outcome: ClassesOutcome, make: Callable[[ClassesOutcome], Made]) -> Made:
    key, state = (what, outcome.prepare), _state(outcome)
    with _lock:
        known = _kept.get(key)
        if known is None or known[0] != state:
            known = _kept[key] = (state, make(outcome))
            if len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        made: Made = known[1]
        return made


def _state(outcome: ClassesOutcome) -> object:
    """All that a comparison follows from."""
    runs = [
        (run.id, run.run, run.state, run.error, run.attempts,
         stamp(run.folder / REPORT), stamp(run.folder / "events.jsonl"))
        for run in outcome.runs
    ]  # fmt: skip
    shared = (outcome.prepare_state, outcome.prepare_error, stamp(outcome.prepare / REPORT))
    return outcome.id, shared, runs, outcome.command


def _answers(outcome: ClassesOutcome) -> Mapping[str, BySeed]:
    if not outcome.prepared:
        return {}
    prepared = read_prepared(outcome)
    found = {
        name: {seed: one.answers for seed, one in row.items()}
        for name, row in prepared.references.items()
    }
    for run in outcome.runs:
        if run.state in AT_WORK or not (run.folder / REPORT).is_file():
            continue
        seed = run.settings["seed"]
        try:
            one = read_run(run.folder, seed, outcome, prepared)
        except RunError:  # its row says so
            continue
        found.setdefault(run.method, {})[seed] = one.answers
    return found
