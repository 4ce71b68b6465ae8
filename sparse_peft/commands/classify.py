"""`classify`: what zero-shot CLIP and the trained methods take pictures for."""

import argparse
import json
import sys
from pathlib import Path

from sparse_peft import tables
from sparse_peft.commands.arguments import path
from sparse_peft.errors import SpecError
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER

COMPARISON = "comparison.json"
FOLDERS = ("classifiers", "adapters")  # of a written comparison, zero-shot first


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `classify`."""
    parser.add_argument("--run", dest="trained", type=path, required=True, metavar="DIR",
                        help="the --out folder of a few-shot comparison, a folder of one of its "
                        "adapters, or a run's own folder")  # fmt: skip
    parser.add_argument("pictures", type=path, nargs="+", metavar="PICTURE")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the likeliest classes of each picture, by classifier."""
    folders = classifiers(options.trained)
    for picture in options.pictures:
        if picture.is_dir():
            raise SpecError(f"{picture} is a folder; name pictures, such as {picture / '*.png'}.")
    import torch

    from sparse_peft.tasks.fewshot.classify import classify

    if draw := which_draw(options.trained):
        print(draw, file=sys.stderr)
    pictures = {str(path): path for path in options.pictures}
    rows = classify(folders, pictures, torch.device("cpu"), begin)
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    width, marks = max(len(name) for name in folders), stopped(options.trained)
    for row in rows:
        print(row["name"])
        for name, guesses in row["results"].items():
            words = ", ".join(f"{g['class']} {100 * g['probability']:.0f} %" for g in guesses)
            mark = f" ({marks[name]})" if name in marks else ""
            print(f"  {name:{width}}  {words}{mark}")
    return 0


def begin(text: str, done: int) -> None:
    """Say what comes next."""
    del done
    print(text, file=sys.stderr)


def classifiers(folder: Path) -> dict[str, Path]:
    """Every classifier below a folder, by name; of several draws, those of the first.

    Raises:
        SpecError: there is none.
    """
    for single in (folder, folder / "adapter"):
        if (single / CLASSIFIER).is_file():
            return {folder.name: single}
    found = {
        path.parent.name: path.parent
        for below in FOLDERS
        for path in sorted((folder / below).glob(f"*/{CLASSIFIER}"))
    }
    if not found:
        raise SpecError(
            f"--run {folder} holds no {CLASSIFIER}. Give the --out folder of a comparison made "
            "with --task fewshot, or the folder of one of its adapters."
        )
    return _first_draw(folder, found)


def stopped(folder: Path) -> dict[str, str]:
    """Of the trainings that were stopped and kept, how far each came, by name of its folder."""
    written = [
        tables.read_json(path)["runs"]
        for path in (folder / COMPARISON, folder.parent.parent / COMPARISON)
        if path.is_file()
    ]
    trained = [one for runs in written for run in runs for one in run.get("runs", [run])]
    return {
        run["id"]: f"stopped at step {run['stopped_at']} of {run['settings']['steps']}"
        for run in trained
        if run.get("stopped_at") is not None
    }


def which_draw(folder: Path) -> str:
    """Whose answers these are, in a sentence; empty where there was one draw."""
    seeds = _seeds(folder)
    if len(seeds) < 2:
        return ""
    text = f"The answers are those of the first draw of {len(seeds)}, seed {seeds[0]}."
    return f"{text} For another give one of the folders below {folder / 'adapters'}."


def _first_draw(folder: Path, found: dict[str, Path]) -> dict[str, Path]:
    seeds = _seeds(folder)
    if not seeds:
        return found
    return {
        name: place
        for name, place in found.items()
        if name.endswith(f"-s{seeds[0]}") or "-s" not in name
    } or found


def _seeds(folder: Path) -> list[int]:
    """Of the draws of a written comparison; none where the folder is no such."""
    path = folder / COMPARISON
    return list(tables.read_json(path).get("seeds", [])) if path.is_file() else []
