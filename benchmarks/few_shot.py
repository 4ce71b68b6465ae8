"""The few-shot job: three methods on the ten example classes at 4 shots, in a home of its own.

The command line is run as a person runs it, from pictures to report: once with one draw of the
shots, once with three.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure

SUBJECT = "few_shot"
ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "examples" / "classes"
MOST_SECONDS = 60.0  # with one draw
DRAWS = (1, 3)


def measure(rounds: int = 1, more: Sequence[str] = ()) -> list[Figure]:
    """Wall seconds of the whole job by number of draws.

    Args:
        rounds: the job runs once, however many turns others get.
        more: further arguments of `compare`, for a shorter job without a goal.
    """
    del rounds
    return [_job(draws, more) for draws in DRAWS]


def _job(draws: int, more: Sequence[str]) -> Figure:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home, out = Path(scratch, "home"), Path(scratch, "out")
        command = [sys.executable, "-m", "sparse_peft", "compare", "--task", "fewshot",
                   "--pictures", str(PICTURES), "--shots", "4", "--seeds", str(draws),
                   "--home", str(home), "--out", str(out), *more]  # fmt: skip
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        comparison = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    methods = [row for row in comparison["runs"] if row["knob"]]
    classes, shots = len(comparison["classes"]), comparison["shots"]
    what = f"{classes} classes x {shots} shots, {len(methods)} methods, draws: {draws}"
    return Figure(SUBJECT, what, seconds, "s", None if more or draws > 1 else MOST_SECONDS)
