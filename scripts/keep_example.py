"""Keep a comparison as the project's example: `python scripts/keep_example.py OUT`.

Copies what the page is rebuilt from (numbers, samples, pictures, maps) into examples/comparison.
Adapters and the page itself stay behind. The README shows it: scripts/picture_page.py.
"""

import argparse
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "examples" / "comparison"
KEPT = ("comparison.json", "samples", "pictures", "changes")
LARGEST = 2_000_000  # bytes in all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the --out folder of a finished comparison")
    options = parser.parse_args()
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for name in KEPT:
        copy = shutil.copytree if (options.out / name).is_dir() else shutil.copyfile
        copy(options.out / name, TARGET / name)
    value = json.loads((TARGET / "comparison.json").read_text(encoding="utf-8"))
    for run in value["runs"]:
        run["adapter"] = None  # not shipped
    (TARGET / "comparison.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file())
    if size > LARGEST:
        raise SystemExit(f"{TARGET} has {size} bytes, more than {LARGEST}")
    print(f"{size} bytes")


if __name__ == "__main__":
    main()
