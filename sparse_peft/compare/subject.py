"""A DreamBooth comparison as one dictionary, and the files beside it.

The dictionary is `comparison.json`, format 1; docs/comparison_format.md explains every key.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sparse_peft.backbones.source import BUILTIN_TITLE
from sparse_peft.comparison import BASE, REPORT, ComparisonOutcome, RunOutcome
from sparse_peft.errors import RunError
from sparse_peft.measure import Drawn, anchors, base_metrics, nothing_learned, run_metrics, way
from sparse_peft.measure.drawn import drawn_prompt
from sparse_peft.metrics import intervals, pairs
from sparse_peft.report.pictures import below
from sparse_peft.report.subject import grid
from sparse_peft.underway import Underway

Reader = Callable[[Path, Drawn | None], Drawn]

FORMAT = 1
REFERENCE = "lora"  # what others are compared with, where it is there

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


def assemble(outcome: ComparisonOutcome, read: Reader = Drawn.read) -> dict[str, Any]:
    """The content of `comparison.json`. What is absent is None; a damaged run says so in its error.

    Args:
        read: gives what a run drew, from its folder and the base's; another one may remember.

    Raises:
        RunError: the outputs of the prepare run cannot be read.
    """
    base = read(outcome.prepare, None) if outcome.prepared else None
    prepared: dict[str, Any] = base.report if base else {}
    names = [run.id for run in outcome.runs]
    measured = [_run(run, base, read) for run in outcome.runs]
    return {
        "format": FORMAT,
        "id": outcome.id,
        "task": outcome.task,
        "backbone": prepared.get("backbone")
        or {"id": outcome.backbone, "sha256": None, "title": _title(outcome.backbone)},
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
            "samples": (base or Underway.read(outcome.prepare)).samples(BASE),
        },
        "runs": [value for value, _ in measured],
        "drawn": [drawn_prompt(run, folder, names) for run, folder in outcome.drawn.items()],
        "pairs": _pairs(outcome, base, [drawn for _, drawn in measured]),
    }


def fill(folder: Path, outcome: ComparisonOutcome, value: Mapping[str, Any]) -> None:
    """Samples, adapters, maps and the person's pictures, to where the dictionary says; the grid."""
    rows = [*value["base"]["samples"]]
    for entry in value["runs"]:
        rows += [*entry["samples"], *entry["history"]]
        if entry["adapter"]:
            shutil.copytree(outcome.place(entry["adapter"]), folder / entry["adapter"])
    for prompt in value["drawn"]:
        rows += prompt["samples"].values()
    maps = [entry["change"] for entry in value["runs"] if entry["change"]]
    for path in [*(row["path"] for row in rows), *maps, *value["pictures"]]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(outcome.content(path))
    grid.draw(value, below(folder)).save(folder / "grid.png")


def _title(backbone: str) -> str | None:
    """What is known of a backbone before anything has read it."""
    return BUILTIN_TITLE if backbone == "builtin" else None


def _run(run: RunOutcome, base: Drawn | None, read: Reader) -> tuple[dict[str, Any], Drawn | None]:
    """A run's entry, and what it drew where that can be measured."""
    drawn, error = None, run.error
    at_work = run.state in ("queued", "running")  # a report is of an earlier attempt, stopped early
    if base and not at_work and (run.folder / REPORT).is_file():
        try:
            drawn = read(run.folder, base)
        except RunError as damage:
            error = str(damage)
    told = drawn.report if drawn else {}
    left = Underway.read(run.folder)
    history = (drawn or left).history(run.id)
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
        "preset_steps": run.preset_steps,
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
        "step": left.step,
        "saved": left.saved,
        "stage": left.stage if run.state == "running" else None,
        "metrics": run_metrics(drawn, base),
        "unchanged": nothing_learned(drawn, base),
        "samples": drawn.samples(run.id) if drawn else [],
        "history": history,
        "way": way(history, base),
        "losses": told.get("losses") or [list(pair) for pair in left.losses],
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
