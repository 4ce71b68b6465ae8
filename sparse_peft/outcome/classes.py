"""What became of a few-shot comparison."""

import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.backbones.vision.names import is_vision
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.data.labelled import DATA_FILE, Labelled
from sparse_peft.outcome.recipe import preset_words
from sparse_peft.outcome.run import run_outcome, why
from sparse_peft.planning.classes import ClassesPlan, PlannedClassRun
from sparse_peft.presets import ClassesPreset, all_presets
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow
from sparse_peft.tasks.fewshot.recipe import Classes


def classes_outcome(
    home: Path, comparison: str, plan: ClassesPlan, rows: Mapping[str, RunRow]
) -> ClassesOutcome:
    """A few-shot comparison as it stands now.

    Args:
        rows: what the store knows of its runs, by id.
    """
    folder = home / "data" / plan.dataset
    labelled = _labelled(folder, (folder / DATA_FILE).stat().st_mtime_ns)
    prepare, shared = rows[plan.prepare], plan.shared
    methods = tuple(dict.fromkeys(run.method for run in plan.runs))
    root = Path(labelled.root) if labelled.root else folder
    dataset = plan.title if labelled.root else ""
    return ClassesOutcome(
        id=comparison,
        task=plan.task,
        backbone=plan.backbone,
        dataset=plan.dataset,
        title=plan.title,
        published=labelled.root is not None,
        classes=shared.classes,
        new_classes=shared.new_classes,
        shots=shared.shots,
        seeds=shared.seeds,
        template=shared.template,
        budget=plan.budget,
        preset=plan.preset,
        reproduces=_reproduces(plan),
        references=plan.references,
        command=command(
            plan, labelled, (*plan.references, *methods), shared.seeds, plan.runs,
            preset_words(home, plan, methods, dataset),
        ),
        recipe=_recipe(shared),
        prepare=RunDirectory.of(home, plan.prepare).path,
        prepare_state=prepare.state,
        prepare_error=why(prepare, prepare),
        runs=tuple(
            run_outcome(
                RunDirectory.of(home, run.run).path, run, rows[run.run], prepare,
                command(
                    plan, labelled, (run.method,), (run.training.seed,), (run,),
                    preset_words(home, plan, (run.method,), dataset),
                ),
            )
            for run in plan.runs
        ),
        pictures={place: root / each.file for place, each in enumerate(labelled.pictures)},
        names={place: each.name for place, each in enumerate(labelled.pictures)},
    )  # fmt: skip


RECIPE = ("targets", "augmentation", "smallest_crop", "scale", "precision", "learn_from",
          "evaluate")  # fmt: skip
OF_VISION = ("jitter", "view", "cls_token", "drop_path")


def _recipe(shared: Classes) -> dict[str, Any]:
    """What all trainings have in common, as JSON has it."""
    names = (*RECIPE, *OF_VISION) if is_vision(shared.backbone) else RECIPE
    table = tables.table(shared)
    return {name: table[name] for name in names}


@lru_cache(maxsize=8)
def _labelled(folder: Path, stamp: int) -> Labelled:
    """The data set, its pictures checked once: a page that fills asks every second."""
    del stamp  # of another content: loaded anew
    return Labelled.load(folder)


def _reproduces(plan: ClassesPlan) -> str:
    """What the preset says it reproduces, unless a person changed it."""
    for preset in all_presets():
        if isinstance(preset, ClassesPreset) and preset.name == plan.preset:
            return preset.of(plan.title).reproduces
    return ""


def command(
    plan: ClassesPlan,
    labelled: Labelled,
    methods: tuple[str, ...],
    seeds: tuple[int, ...],
    runs: Sequence[PlannedClassRun],
    recipe: Sequence[str],
) -> str:
    """The command line that trains these methods of the plan again, on the draws of these seeds.

    Args:
        runs: theirs.
        recipe: the words that name the preset.
    """
    shared = plan.shared
    words = ["python", "-m", "sparse_peft", "compare", "--task", plan.task]
    if labelled.root is not None:
        words += ["--dataset", plan.title, "--root", "DIR"]
    else:
        words += ["--pictures", "DIR"]
        if any(picture.split == "test" for picture in labelled.pictures):
            words += ["--test", "DIR"]
    shots = "all" if shared.shots is None else str(shared.shots)
    words += ["--shots", shots, "--evaluate", shared.evaluate, "--backbone", plan.backbone]
    words += ["--methods", ",".join(methods), "--budget", str(plan.budget)]
    if any(run.over_budget for run in runs):
        words += ["--allow-over-budget"]
    words += recipe
    if plan.runs:
        words += ["--steps", str(plan.runs[0].training.steps)]
    if shared.new_classes:
        words += ["--base-to-new"]
    if not is_vision(plan.backbone):
        words += ["--template", shared.template]
    words += ["--seed", str(seeds[0])]
    words += ["--seeds", str(len(seeds)), "--out", "DIR"]
    return shlex.join(words)
