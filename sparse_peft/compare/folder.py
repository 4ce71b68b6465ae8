"""A comparison as a folder: the dictionary, the page, and the files that they name."""

import json
import shutil
from pathlib import Path
from typing import Any

from sparse_peft import files
from sparse_peft.compare import classes, subject
from sparse_peft.compare.assembled import assemble
from sparse_peft.comparison import AnyOutcome, ClassesOutcome
from sparse_peft.errors import SpecError
from sparse_peft.report.page import page
from sparse_peft.report.pictures import below


def write(out: Path, outcome: AnyOutcome) -> dict[str, Any]:
    """Fill --out as a whole: the dictionary, the page, and every file that they name.

    Files of other origin in a folder that held this comparison before are kept.

    Raises:
        SpecError: the folder holds something else.
    """
    check_out(out, outcome.id)
    value = assemble(outcome)
    final = out.resolve()

    def fill(folder: Path) -> None:
        if isinstance(outcome, ClassesOutcome):
            classes.fill(folder, outcome, value)
        else:
            subject.fill(folder, outcome, value)
        files.write_json(folder / "comparison.json", value)
        files.write_text(folder / "index.html", page(value, below(folder)))
        _keep_strangers(final, folder)

    files.write_folder(final, fill)
    return value


def check_out(out: Path, comparison: str) -> None:
    """Return if results of this comparison may be written there.

    Raises:
        SpecError: it is a file, or a folder that holds something else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise SpecError(f"--out {out} is a file. Name a new or an empty folder.")
    if not any(out.iterdir()):
        return
    held = _comparison_in(out)
    if held != comparison:
        what = f"the comparison {held}" if held else "other files"
        raise SpecError(
            f"--out {out} is not empty: it holds {what}. Name a new or an empty folder; nothing in "
            "it was changed."
        )


def _comparison_in(folder: Path) -> str | None:
    try:
        value = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    held = value.get("id") if isinstance(value, dict) else None
    return held if isinstance(held, str) else None


def _keep_strangers(old: Path, folder: Path) -> None:
    """Copy what a person put beside earlier results: files that the old manifest does not list."""
    if not (old / files.MANIFEST).is_file():
        return
    ours = {*files.read_manifest(old), files.MANIFEST}
    for path in sorted(old.rglob("*")):
        name = path.relative_to(old)
        if path.is_file() and name.as_posix() not in ours and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / name)
