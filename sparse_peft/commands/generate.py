"""`generate`: a new prompt, drawn by the base and by every method of a finished comparison."""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from sparse_peft import files, tables
from sparse_peft.data.prompts import check_prompt
from sparse_peft.errors import RunError, SpecError
from sparse_peft.planning import read_plan
from sparse_peft.report import grid
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import Input, RunSpec, new_id
from sparse_peft.runs.store import Store
from sparse_peft.tasks.recipe import GenerateSettings

POLL_SECONDS = 0.1


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `generate`."""
    parser.add_argument("--comparison", type=Path, required=True, metavar="DIR",
                        help="the --out folder of a comparison")  # fmt: skip
    parser.add_argument("--prompt", required=True, help="may hold {subject}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Submit a generate run, wait for it, and write its pictures, a grid and generate.json."""
    home: Path = options.home
    check_prompt(options.prompt, "--prompt")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise SpecError(f"--out {options.out} is not an empty folder; name a new or an empty one.")
    before = tables.read_json(options.comparison / "comparison.json")
    with Store(home) as store:
        spec = _spec(store, before, options)
        store.submit(None, [spec])
        while (row := store.run(spec.id)).state in ("queued", "running"):
            client.ensure_runner(home)
            time.sleep(POLL_SECONDS)
    if row.state != "finished":
        raise RunError(f"drawing {row.state}: {row.error or 'no reason given'}")
    _write(options.out, before, RunDirectory.of(home, spec.id))
    print(options.out.resolve() / "grid.png")
    return 0


def _spec(store: Store, before: dict[str, Any], options: argparse.Namespace) -> RunSpec:
    content = read_plan(store.comparison(before["id"]))
    finished = [r for r in before["runs"] if r["state"] == "finished"]
    if not finished:
        raise SpecError(f"{options.comparison} has no finished method to draw with.")
    prepared = RunDirectory.of(store.home, content.prepare).path
    inputs = [_input(store.home, prepared / "shared.safetensors", "shared.safetensors")]
    for ended in finished:
        adapter = RunDirectory.of(store.home, ended["run"]).path / "adapter"
        inputs += [
            _input(store.home, path, f"{ended['id']}/{path.relative_to(adapter).as_posix()}")
            for path in sorted(adapter.rglob("*"))
            if path.is_file()
        ]
    settings = GenerateSettings(
        content.shared, options.prompt, (options.seed,), tuple(r["id"] for r in finished)
    )
    return RunSpec(new_id(), "generate", "local", None, tables.table(settings), tuple(inputs))


def _input(home: Path, path: Path, name: str) -> Input:
    return Input(name, path.relative_to(home).as_posix(), files.sha256(path))


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
                r | {"samples": drawn[r["id"]], "history": []}
                for r in before["runs"]
                if r["id"] in drawn
            ],
        }
        files.write_json(folder / "generate.json", report | {"samples": drawn})
        grid.draw(value, folder).save(folder / "grid.png", optimize=True)

    files.write_folder(out.resolve(), fill)
