"""Keep a comparison as the project's example of its task: `python scripts/keep_example.py OUT`.

Copies what the page is rebuilt from into examples/comparison (of one subject) or
examples/classes_comparison (of classes). Adapters, classifiers and the page itself stay behind.
The README shows the first one: scripts/picture_page.py.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
DIGITS = 4  # of a loss of classes, of which there are thousands


@dataclass(frozen=True)
class Kept:
    """What is kept of a task's comparison."""

    target: Path
    names: tuple[str, ...]
    """files and folders besides comparison.json"""
    largest: int
    """bytes in all"""
    colours: int | None = None
    """of each picture below pictures/; None: as it is"""


SUBJECT = Kept(ROOT / "examples" / "comparison", ("samples", "pictures", "changes"), 2_000_000)
CLASSES = Kept(
    ROOT / "examples" / "classes_comparison",
    ("pictures", "changes", "predictions.csv"),
    largest=1_500_000,
    colours=256,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the --out folder of a finished comparison")
    out = parser.parse_args().out
    value = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    kept = CLASSES if value["task"] == "fewshot" else SUBJECT
    print(f"{keep(out, kept, written(value))} bytes")


def written(value: dict[str, Any]) -> str:
    """The text of the comparison.json that is kept."""
    if value["task"] == "fewshot":
        return json.dumps(of_classes(value), ensure_ascii=False, separators=(",", ":"))
    return json.dumps(of_subject(value), indent=1)


def of_subject(value: dict[str, Any]) -> dict[str, Any]:
    """The comparison without what is not shipped."""
    for run in value["runs"]:
        run["adapter"] = None
    return value


def of_classes(value: dict[str, Any]) -> dict[str, Any]:
    """The same, of classes; its losses no more exact than a chart is."""
    for run in (run for row in value["runs"] for run in row["runs"]):
        run["adapter"] = None
        run["losses"] = [[step, float(f"{loss:.{DIGITS}g}")] for step, loss in run["losses"]]
    return value


def keep(out: Path, kept: Kept, text: str) -> int:
    """Fill the target anew; how many bytes that is.

    Args:
        text: of its comparison.json.
    """
    own = [str(place) for place in (ROOT, out.resolve(), Path.home()) if str(place) in text]
    if own:
        raise SystemExit(f"comparison.json names {own[0]}, a path of this machine")
    shutil.rmtree(kept.target, ignore_errors=True)
    kept.target.mkdir(parents=True)
    (kept.target / "comparison.json").write_text(text + "\n", encoding="utf-8")
    for name in kept.names:
        copy = shutil.copytree if (out / name).is_dir() else shutil.copyfile
        copy(out / name, kept.target / name)
    if kept.colours:
        for path in kept.target.glob("pictures/*.png"):
            _reduce(path, kept.colours)
    size = sum(path.stat().st_size for path in kept.target.rglob("*") if path.is_file())
    if size > kept.largest:
        raise SystemExit(f"{kept.target} has {size} bytes, more than {kept.largest}")
    return size


def _reduce(path: Path, colours: int) -> None:
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(colours)
    few.save(path, "PNG", optimize=True)


if __name__ == "__main__":
    main()
