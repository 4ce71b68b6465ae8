"""Measure: `python benchmarks/run.py [--only NAME] [--json FILE]`.

Prints each figure beside its goal; writes nothing unless a file is named. Ratios hold on a busy
machine, since their parts ran in turns; seconds hold on an idle one only.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from benchmarks.figures import Figure, conditions

SUBJECTS = (
    "start_up",
    "layers",
    "blocks",
    "steps",
    "so_step",
    "so_blocks",
    "snell_layer",
    "clip_text",
    "main_job",
    "few_shot",
    "page",
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SUBJECTS, action="append", help="may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--rounds", type=int, help="turns each contestant gets")
    options = parser.parse_args(arguments)
    where = conditions()
    print(header(where), flush=True)
    figures = []
    for name in options.only or SUBJECTS:
        measure = importlib.import_module(f"benchmarks.{name}").measure
        found = measure(options.rounds) if options.rounds else measure()
        print("\n".join(rows(found)), flush=True)
        figures += found
    if options.json:
        value = where | {"figures": [figure.table() for figure in figures]}
        options.json.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def header(where: dict[str, Any]) -> str:
    """The conditions in words."""
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    gpu = where["gpu"] or "no GPU"
    return (
        f"{where['cpu']}, {where['cores']} cores, load {where['load']:.1f}, {gpu}\n"
        f"{where['system']}; {versions}\n"
        f"{'what':72} {'measured':>19}  goal"
    )


def rows(figures: list[Figure]) -> list[str]:
    """A line for each figure."""
    lines = [f"\n{figures[0].subject}"]
    for figure in figures:
        goal = ""
        if figure.goal is not None:
            goal = f"{'>=' if figure.at_least else '<='} {figure.goal:g}  {figure.verdict}"
        measured = f"{figure.value:.3g} {figure.unit}"
        lines.append(f"{figure.what:72} {measured:>19}  {goal}".rstrip())
    return lines


if __name__ == "__main__":
    main()
