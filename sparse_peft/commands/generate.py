"""`generate`: a new prompt, drawn by the base and by every method of a comparison."""

import argparse
import shutil
from pathlib import Path
from typing import Any

from sparse_peft import compare as comparing
from sparse_peft import files, tables
from sparse_peft.commands import single
from sparse_peft.commands.arguments import check_place, empty_folder, path, whole_number
from sparse_peft.data.words.prompts import check_prompt
from sparse_peft.drawing import generate_run
from sparse_peft.errors import RunError, SpecError
from sparse_peft.outcome import outcome
from sparse_peft.planning import check_seed
from sparse_peft.report.pictures import below
from sparse_peft.report.subject import grid
from sparse_peft.runs.run import RunDirectory


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `generate`."""
    parser.add_argument("--comparison", type=path, required=True, metavar="DIR",
                        help="the --out folder of a comparison")  # fmt: skip
    parser.add_argument("--prompt", required=True, help="may hold {subject}")
    parser.add_argument("--seed", type=whole_number, default=0, metavar="N")
    parser.add_argument("--out", type=path, required=True, metavar="DIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Submit a generate run, wait for it, and write its pictures, a grid and generate.json."""
    home: Path = options.home
    check_prompt(options.prompt, "--prompt")
    check_seed(options.seed)
    check_place(options.out.resolve(), home)
    out = empty_folder(options.out)
    value = _comparison(home, options.comparison)
    drawable = [run for run in value["runs"] if run["adapter"]]
    if not drawable:
        raise SpecError(
            f"--comparison {options.comparison} has no trained method to draw with. "
            "Finish it first: the `compare` command that made it goes on from where it stands."
        )
    trained = {run["id"]: run["run"] for run in drawable}
    spec = generate_run(home, value["id"], trained, options.prompt, options.seed)
    directory = single.finish(home, spec)
    _write(out, value, directory)
    print(out / "grid.png")
    return 0


def _comparison(home: Path, folder: Path) -> dict[str, Any]:
    """The comparison whose results are in a folder, as the home knows it."""
    if not (folder / "comparison.json").is_file():
        raise SpecError(
            f"--comparison {folder} holds no comparison.json; "
            "give the folder that `compare` wrote (its --out)."
        )
    written = tables.read_json(folder / "comparison.json")
    if written.get("format") != comparing.FORMAT or not isinstance(written.get("id"), str):
        raise SpecError(
            f"{folder / 'comparison.json'} is not a comparison of format {comparing.FORMAT}; "
            "give a folder that `compare` wrote."
        )
    try:
        return comparing.assemble(outcome(home, written["id"]))
    except RunError as error:
        raise RunError(
            f"{error} The runs of {folder} must be there: give the --home that it was made with."
        ) from error


def _write(out: Path, before: dict[str, Any], directory: RunDirectory) -> None:
    report = directory.report() or {}
    rows = report["samples"]

    def fill(folder: Path) -> None:
        for name, [row] in rows.items():
            shutil.copyfile(directory.path / row["path"], folder / f"{name}.png")
        drawn = {name: [{**row, "path": f"{name}.png"}] for name, [row] in rows.items()}
        value = before | {
            "prompts": [report["prompt"]],
            "seeds": report["seeds"],
            "base": before["base"] | {"samples": drawn["base"]},
            "runs": [
                run | {"samples": drawn[run["id"]], "history": []}
                for run in before["runs"]
                if run["id"] in drawn
            ],
        }
        files.write_json(folder / "generate.json", report | {"samples": drawn})
        grid.draw(value, below(folder)).save(folder / "grid.png", optimize=True)

    files.write_folder(out, fill)
