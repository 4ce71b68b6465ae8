"""The main job: three methods on an example subject, from pictures to report, in a home of its own.

The command line is run as a person runs it. Then: four pictures of the built-in backbone.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import Figure
from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.backbones.diffusion.sampling import Sampling

SUBJECT = "main_job"
ROOT = Path(__file__).parents[1]
EXAMPLE = "cat"
MOST_SECONDS, MOST_PICTURES_SECONDS = 180.0, 3.0
PICTURES, THREADS = 4, 2
SAMPLING = Sampling(steps=20, guidance=4.0, guidance_rescale=0.5)


def measure(rounds: int = 5, more: Sequence[str] = ()) -> list[Figure]:
    """The comparison with its parts, then sampling.

    Args:
        rounds: of sampling; the comparison runs once.
        more: further arguments of `compare`, for a shorter job without a goal.
    """
    return [*_comparison(more), pictures(rounds)]


def _comparison(more: Sequence[str]) -> list[Figure]:
    folder = ROOT / "examples" / "subjects" / EXAMPLE
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home, out = Path(scratch, "home"), Path(scratch, "out")
        command = [sys.executable, "-m", "sparse_peft", "compare", "--pictures", str(folder),
                   "--captions", str(folder / "captions.txt"), "--noun", EXAMPLE,
                   "--preset", "quick", "--home", str(home), "--out", str(out), *more]  # fmt: skip
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        comparison = _read(out / "comparison.json")
        reports = [_read(path) for path in sorted(home.glob("runs/*/report.json"))]
    return _parts(comparison, reports, seconds, None if more else MOST_SECONDS)


def _parts(
    comparison: dict[str, Any], reports: list[dict[str, Any]], seconds: float, goal: float | None
) -> list[Figure]:
    [prepared] = [report["seconds"] for report in reports if "method" not in report]
    runs = comparison["runs"]
    drawn = f"{len(comparison['prompts'])} prompts x {len(comparison['seeds'])} seeds"
    figures = [
        Figure(SUBJECT, f"{len(runs)} methods, {drawn}, end to end", seconds, "s", goal),
        Figure(SUBJECT, "of it preparing, the base's pictures included", prepared, "s"),
    ]
    for run in runs:
        text = f"of it {run['label']}, {run['settings']['steps']} steps"
        beside = f", {run['beside']} beside it" if run["beside"] else ""
        figures.append(Figure(SUBJECT, text + beside, run["seconds"], "s"))
    return figures


def pictures(rounds: int, steps: int = SAMPLING.steps) -> Figure:
    """Median seconds of four pictures, by the clock on the wall."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        backbone = diffusion.load(source.resolve("builtin"), torch.device("cpu"))
        words = backbone.embed(["a cat on the grass"] * PICTURES)
        sampling = Sampling(steps, SAMPLING.guidance, SAMPLING.guidance_rescale)
        taken = []
        with torch.autocast("cpu", torch.bfloat16):
            negative = backbone.negative()
            for _ in range(rounds + 1):
                start = time.perf_counter()
                list(backbone.sample(words, range(PICTURES), negative, sampling, 64))
                taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    text = f"{PICTURES} pictures at {steps} steps, {THREADS} threads"
    return Figure(SUBJECT, text, statistics.median(taken[1:]), "s", MOST_PICTURES_SECONDS)


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
