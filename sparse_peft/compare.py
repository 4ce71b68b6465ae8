"""A comparison as one dictionary, one picture and one page: what its runs left behind.

The dictionary is `comparison.json`, format 1; docs/comparison_format.md explains every key.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from sparse_peft import files
from sparse_peft.errors import RunError, SpecError
from sparse_peft.measure import Drawn, anchors, base_metrics, nothing_learned, run_metrics, way
from sparse_peft.metrics import intervals, pairs
from sparse_peft.report import grid
from sparse_peft.report.page import page

FORMAT = 1
BASE = "base"  # the column of the untouched backbone
REFERENCE = "lora"  # what others are compared with, where it is there
PICTURE_SIDE = 256  # pixels of the person's pictures as they are kept beside the results

INTERVAL_RULE = (
    f"{intervals.LEVEL * 100:.0f} % bootstrap with {intervals.RESAMPLES} resamples: prompts are "
    "drawn with replacement, then seeds within each drawn prompt. Percentiles are widened for the "
    "small number of prompts (expanded percentile interval, Hesterberg 2015). Diversity: over "
    "prompts only. Drift: one prompt, so over seeds only. Anchors are taken as fixed."
)
PAIRS_RULE = (
    "Same prompt, same seed, same noise. wins counts pairs in which a scores higher than the "
    "reference b. The word tests the mean difference by a paired bootstrap over prompts (and over "
    "training seeds where there are several), widened like the intervals and corrected by Holm's "
    "rule over all methods compared with b: Clear at 95 %, Leaning at 80 %, else Cannot tell. "
    f"Fewer than {pairs.PROMPTS_FOR_CLEAR} prompts or {pairs.PAIRS_FOR_CLEAR} pairs: never Clear. "
    "Count and mean pointing different ways: Cannot tell."
)


@dataclass(frozen=True)
class RunOutcome:
    """One training run as a comparison needs it; what it measured is read from its folder."""

    id: str
    """name within the comparison, used in paths: waveft, or waveft-2 for its second training"""
    run: str
    """id in the store: what `resume` takes"""
    folder: Path
    method: str
    label: str
    family: str
    source: str
    """the paper to cite"""
    state: str
    """queued, running, finished, cancelled, failed or interrupted"""
    error: str | None
    attempts: int
    settings: Mapping[str, Any]
    """as planned: lr, steps, seed, preset"""
    command: str
    """the command line that repeats this run alone"""
    knob: str | None = None
    """as planned, as are the next two; what a report says replaces them"""
    over_budget: bool = False
    footprint: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ComparisonOutcome:
    """One comparison as it stands: its settings, and the folders of its runs."""

    id: str
    task: str
    backbone: str
    """as asked for: builtin, a hub id or a folder"""
    noun: str
    token: str
    budget: int | None
    prompts: tuple[str, ...]
    """as drawn, token included"""
    seeds: tuple[int, ...]
    command: str
    prepare: Path | None
    """folder of the finished prepare run"""
    runs: tuple[RunOutcome, ...]
    pictures: tuple[tuple[Path, tuple[int, int, int, int]], ...] = ()
    """the person's pictures with the square (left, top, right, bottom) that the backbone saw"""


def assemble(outcome: ComparisonOutcome) -> dict[str, Any]:
    """The content of `comparison.json`. What is absent is None; a damaged run says so in its error.

    Raises:
        RunError: the outputs of the prepare run cannot be read.
    """
    base = Drawn.read(outcome.prepare) if outcome.prepare else None
    prepared: dict[str, Any] = base.report if base else {}
    measured = [_run(run, base) for run in outcome.runs]
    return {
        "format": FORMAT,
        "id": outcome.id,
        "task": outcome.task,
        "backbone": prepared.get("backbone")
        or {"id": outcome.backbone, "sha256": None, "title": None},
        "noun": outcome.noun,
        "token": outcome.token,
        "budget": outcome.budget,
        "prompts": list(outcome.prompts),
        "plain_prompts": prepared.get("plain_prompts"),
        "training_prompts": prepared.get("training_prompts"),
        "pictures": [f"pictures/{i:02}.png" for i in range(1, len(outcome.pictures) + 1)],
        "seeds": list(outcome.seeds),
        "judge": prepared.get("judge"),
        "anchors": {name: anchor._asdict() for name, anchor in anchors(base).items()},
        "intervals": {
            "level": intervals.LEVEL,
            "resamples": intervals.RESAMPLES,
            "rule": INTERVAL_RULE,
            "pairs_rule": PAIRS_RULE,
        },
        "device": prepared.get("device"),
        "versions": prepared.get("versions", {}),
        "command": outcome.command,
        "reference": _reference([value["method"] for value, drawn in measured if drawn]),
        "base": {
            "metrics": base_metrics(base),
            "samples": base.samples(BASE) if base else [],
        },
        "runs": [value for value, _ in measured],
        "pairs": _pairs(outcome, base, [drawn for _, drawn in measured]),
    }


def write(out: Path, outcome: ComparisonOutcome) -> dict[str, Any]:
    """Fill --out as a whole: the dictionary, the grid, the page, samples, adapters and maps.

    Files of other origin in a folder that held this comparison before are kept.

    Raises:
        SpecError: the folder holds something else.
    """
    check_out(out, outcome.id)
    value = assemble(outcome)
    final = out.resolve()

    def fill(folder: Path) -> None:
        _copy(folder, outcome, value)
        files.write_json(folder / "comparison.json", value)
        grid.draw(value, folder).save(folder / "grid.png")
        files.write_text(folder / "index.html", page(value, folder))
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


def _run(run: RunOutcome, base: Drawn | None) -> tuple[dict[str, Any], Drawn | None]:
    """A run's entry, and what it drew where that can be measured."""
    drawn, error = None, run.error
    if base and (run.folder / "report.json").is_file():
        try:
            drawn = Drawn.read(run.folder, base)
        except RunError as damage:
            error = str(damage)
    told = drawn.report if drawn else {}
    return {
        "id": run.id,
        "method": run.method,
        "label": run.label,
        "family": run.family,
        "source": run.source,
        "run": run.run,
        "state": run.state,
        "error": error,
        "knob": told.get("knob", run.knob),
        "over_budget": told.get("over_budget", run.over_budget),
        "settings": {**run.settings, **told.get("settings", {})},
        "fields": told.get("fields"),
        "footprint": told.get("footprint", run.footprint and dict(run.footprint)),
        "adapter": f"adapters/{run.id}" if (run.folder / "adapter").is_dir() and drawn else None,
        "adapter_bytes": told.get("adapter_bytes"),
        "seconds": told.get("seconds"),
        "step_ms": told.get("step_ms"),
        "peak_mib": told.get("peak_mib"),
        "attempts": run.attempts,
        "beside": told.get("beside"),
        "stopped_at": told.get("stopped_at"),
        "metrics": run_metrics(drawn, base),
        "unchanged": nothing_learned(drawn, base),
        "samples": drawn.samples(run.id) if drawn else [],
        "history": drawn.history(run.id) if drawn else [],
        "way": way(drawn, base),
        "losses": told.get("losses", []),
        "change": f"changes/{run.id}.png" if told.get("change") else None,
        "change_target": told.get("change_target"),
        "command": run.command,
    }, drawn


def _reference(methods: list[str]) -> str:
    """The column that the first view compares with: LoRA, else the first, else the base."""
    several = len(set(methods)) > 1
    return (REFERENCE if REFERENCE in methods else methods[0]) if several else BASE


def _pairs(
    outcome: ComparisonOutcome, base: Drawn | None, drawn: list[Drawn | None]
) -> list[dict[str, Any]]:
    found = []
    for metric in ("subject_fidelity", "prompt_fidelity"):
        columns: dict[str, dict[int, Any]] = {}
        for run, pictures in zip(outcome.runs, drawn, strict=True):
            if pictures and pictures.scores:
                columns.setdefault(run.method, {})[run.settings["seed"]] = pictures.scores[metric]
        if base and base.scores:
            seeds = {seed for column in columns.values() for seed in column}
            columns[BASE] = dict.fromkeys(seeds, base.scores[metric])
        for pair in pairs.all_pairs(columns, BASE):
            entry = {"metric": metric} | pair._asdict()
            found.append(entry | {"difference": pair.difference._asdict()})
    return found


def _copy(folder: Path, outcome: ComparisonOutcome, value: Mapping[str, Any]) -> None:
    """Samples, adapters, maps and the person's pictures, to where the dictionary says they are."""
    for sample in value["base"]["samples"]:
        assert outcome.prepare is not None
        _place(outcome.prepare / sample["path"], folder / sample["path"])
    for run, entry in zip(outcome.runs, value["runs"], strict=True):
        for sample in (*entry["samples"], *entry["history"]):
            own = PurePosixPath(sample["path"]).relative_to("samples", run.id)
            _place(run.folder / "samples" / own, folder / sample["path"])
        if entry["change"]:
            (folder / "changes").mkdir(exist_ok=True)
            shutil.copyfile(run.folder / "change.png", folder / entry["change"])
        if entry["adapter"]:
            shutil.copytree(run.folder / "adapter", folder / entry["adapter"])
    for (path, square), kept in zip(outcome.pictures, value["pictures"], strict=True):
        (folder / "pictures").mkdir(exist_ok=True)
        with Image.open(path) as picture:
            side = min(PICTURE_SIDE, square[2] - square[0])
            small = picture.convert("RGB").resize(
                (side, side), Image.Resampling.LANCZOS, box=square
            )
        small.save(folder / kept)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


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
