"""How long the package and the command line take to start, in fresh processes taken in turns."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, interleaved

SUBJECT = "start_up"
ROOT = Path(__file__).parents[1]
PLAIN, IMPORT, METHODS = "python alone", "import sparse_peft", "sparse_peft methods"
COMMANDS = {
    PLAIN: ["-c", "pass"],
    IMPORT: ["-c", "import sparse_peft"],
    METHODS: ["-m", "sparse_peft", "methods"],
}
MOST_IMPORT, MOST_METHODS = 0.1, 1.0


def measure(rounds: int = 9) -> list[Figure]:
    """Medians of whole processes, and of what they take beyond python itself."""
    taken = interleaved(
        {name: _Process(arguments) for name, arguments in COMMANDS.items()},
        rounds,
        calls=1,
        clock=time.perf_counter,
    )
    figures = [Figure(SUBJECT, PLAIN, statistics.median(taken[PLAIN]), "s")]
    for name, goal_raw, goal_beyond in (
        (IMPORT, None, MOST_IMPORT),
        (METHODS, MOST_METHODS, None),
    ):
        beyond = [a - b for a, b in zip(taken[name], taken[PLAIN], strict=True)]
        raw = statistics.median(taken[name])
        figures.append(Figure(SUBJECT, f"{name}, whole process", raw, "s", goal_raw))
        text = f"{name}, less python alone"
        figures.append(Figure(SUBJECT, text, statistics.median(beyond), "s", goal_beyond))
    return figures


class _Process:
    """Runs python with some arguments, to its end."""

    def __init__(self, arguments: list[str]) -> None:
        self._command = [sys.executable, *arguments]

    def __call__(self) -> None:
        subprocess.run(self._command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
