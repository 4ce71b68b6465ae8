"""Which of the person's pictures a test picture is closest to, by the judge's subject features."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sparse_peft.report.columns import BASE
from sparse_peft.report.subject.steps import last_step
from sparse_peft.runs.run import RunDirectory
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.opened import Opened

FEATURES, REPORT = "features.safetensors", "report.json"


def closest(desk: Desk, opened: Opened) -> dict[str, int]:
    """Place of the picture by run/step/prompt/seed, for all whose features were kept."""
    if not opened.prepares:
        return {}
    prepare = RunDirectory.of(desk.home, opened.prepares[0]).path
    found = {f"{BASE}/0/{row}": place for row, place in _places(prepare, prepare)}
    for run in opened.comparison["runs"]:
        if run["samples"]:
            folder, step = RunDirectory.of(desk.home, run["run"]).path, last_step(run)
            places = _places(folder, prepare)
            found |= {f"{run['id']}/{step}/{row}": place for row, place in places}
    return found


def _places(folder: Path, prepare: Path) -> tuple[tuple[str, int], ...]:
    """prompt/seed and place of each test picture; nothing where no features lie."""
    try:
        stamp = (folder / FEATURES).stat().st_mtime_ns
    except FileNotFoundError:
        return ()
    return _compared(folder, prepare, stamp)


@lru_cache(maxsize=256)
def _compared(folder: Path, prepare: Path, stamp: int) -> tuple[tuple[str, int], ...]:
    del stamp  # of another content: compared anew
    try:
        mine, drawn = load_file(prepare / FEATURES), load_file(folder / FEATURES)
        rows = json.loads((folder / REPORT).read_text(encoding="utf-8"))["samples"]
    except (OSError, ValueError, SafetensorError):  # a damaged run says so elsewhere
        return ()
    if "pictures" not in mine or len(drawn.get("subjects", ())) != len(rows):
        return ()
    nearest = np.argmax(drawn["subjects"] @ mine["pictures"].T, axis=1)
    return tuple(
        (f"{row['prompt']}/{row['seed']}", int(place))
        for row, place in zip(rows, nearest, strict=True)
    )
