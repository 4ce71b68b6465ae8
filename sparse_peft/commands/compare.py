"""`compare`: pictures in, the methods side by side out."""

import argparse
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparse_peft import compare as comparing
from sparse_peft.commands import compare_classes, compare_subject
from sparse_peft.commands.arguments import check_place, path, shots, whole_number
from sparse_peft.commands.ending import stopped
from sparse_peft.commands.out_notes import out_folder, remember
from sparse_peft.commands.progress import Progress
from sparse_peft.commands.settings import typed
from sparse_peft.comparison import BASE
from sparse_peft.data.findings import Finding
from sparse_peft.errors import RunError, SpecError
from sparse_peft.outcome import any_outcome
from sparse_peft.planning import AnyPlan, read_plan
from sparse_peft.planning.changes import repeats
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.runs import client, process
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import ComparisonSpec
from sparse_peft.runs.store import Store

TASKS = {"dreambooth": compare_subject.wanted, "fewshot": compare_classes.wanted}
OPTIONS = {  # of one task alone
    "dreambooth": ("noun", "token", "captions", "prompts", "train_seeds"),
    "fewshot": (
        "shots", "test", "dataset", "root", "template", "seeds", "base_to_new", "evaluate",
    ),
}  # fmt: skip
EXIT_PARTLY = 1
POLL_SECONDS = 0.1


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `compare`."""
    _add_common(parser)
    _add_subject(parser.add_argument_group("--task dreambooth: one subject"))
    _add_classes(parser.add_argument_group("--task fewshot: a few pictures of some classes"))
    parser.set_defaults(run=run)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_ = parser.add_argument
    add_("--task", choices=list(TASKS), default="dreambooth")
    add_(
        "--pictures",
        type=path,
        metavar="DIR",
        help="3 to 6 pictures of a subject, or folders of classes (also a ZIP or a CSV)",
    )
    add_(
        "--backbone",
        default="builtin",
        help="builtin, a hub id or a local folder; fewshot: ViT-B-16/openai and all of open_clip, "
        "or timm:vit_base_patch16_224@FILE and the like",
    )
    add_("--methods", metavar="NAMES", help="names from `methods`, with commas")
    add_(
        "--budget",
        type=whole_number,
        metavar="N",
        help="trainable values in all; the preset's if left out",
    )
    add_(
        "--allow-over-budget",
        action="store_true",
        help="train a method that cannot go as low as the budget at its smallest",
    )
    add_("--preset", default="quick", help="a name from `presets`, or a TOML file")
    add_(
        "--set",
        type=typed,
        action="append",
        default=[],
        metavar="METHOD.FIELD=VALUE",
        help="a setting from `methods`, or lr, in place of the preset's; may be repeated",
    )
    add_(
        "--steps", type=whole_number, metavar="N", help="optimizer steps; the preset's if left out"
    )
    add_(
        "--seed",
        type=whole_number,
        metavar="N",
        help="of the data order and the noise, 0 if left out; fewshot: of the first draw, 1",
    )
    add_("--out", type=path, required=True, metavar="DIR", help="a new or an empty folder")


def _add_subject(group: argparse._ArgumentGroup) -> None:
    add_ = group.add_argument
    add_("--noun", help="what the subject is, such as dog")
    add_("--token", help="the word that will mean this one; chosen if left out")
    add_("--captions", type=path, metavar="FILE", help="lines of file name, tab or comma, caption")
    add_("--prompts", type=path, metavar="FILE", help="one a line; {subject} is your subject")
    add_(
        "--train-seeds",
        type=whole_number,
        metavar="N",
        help="how often each method is trained; once if left out",
    )


def _add_classes(group: argparse._ArgumentGroup) -> None:
    add_ = group.add_argument
    add_("--shots", type=shots, metavar="K", help="training pictures a class; 4; or all")
    add_("--test", type=path, metavar="DIR", help="test pictures; else those not drawn")
    add_("--dataset", metavar="NAME", help="a published set below --root: eurosat, vtab/cifar ...")
    add_("--root", type=path, metavar="DIR", help="holds data sets as CoOp or SNELL lays them out")
    add_(
        "--evaluate",
        choices=("val", "test"),
        help="the split that is tested on; val for FGVC and VTAB-1k, else test, if left out",
    )
    add_("--template", metavar="TEXT", help="such as 'a photo of a {}.'; coop: the data set's own")
    add_("--seeds", type=whole_number, metavar="N", help="draws of the shots; 3 if left out")
    add_(
        "--base-to-new",
        action="store_true",
        help="learn the first half of the classes, test on both halves",
    )


def run(options: argparse.Namespace) -> int:
    """Submit the comparison or go on with it, follow it, and write its results."""
    home: Path = options.home
    comparison, chosen = _submitted(options)
    labels = {chosen.prepare: _before(chosen)} | {run.run: run.id for run in chosen.runs}
    steps = {run.run: run.training.steps for run in chosen.runs}
    try:
        Progress(labels, steps).follow(client.watch(home, comparison))
    except KeyboardInterrupt:
        _stop(home, comparison)
        _say("The same command goes on from here.")
        raise
    value = comparing.write(options.out, any_outcome(home, comparison))
    print(options.out.resolve() / "index.html")
    return _status(home, value)


def _before(plan: AnyPlan) -> str:
    """What the run that all others wait for gives first."""
    return plan.references[0] if isinstance(plan, ClassesPlan) else BASE


def _status(home: Path, value: dict[str, Any]) -> int:
    """The exit status, once it is said what has not finished."""
    left = [run for run in _trained(value) if run["state"] != "finished"]
    _say(*(f"{run['id']} {run['state']}: {_reason(home, run)}" for run in left))
    if not left:
        return 0
    _say("All else is complete. The same command goes on with what was not discarded.")
    return EXIT_PARTLY


def _reason(home: Path, run: dict[str, Any]) -> str:
    if run["error"] is None and run["state"] == "cancelled" and run["run"]:
        return stopped(RunDirectory.of(home, run["run"]))
    return run["error"] or "no reason given"


def _trained(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Every training; few-shot comparisons hold those of each method in its row."""
    return [one for run in value["runs"] for one in run.get("runs", [run])]


def _submitted(options: argparse.Namespace) -> tuple[str, AnyPlan]:
    home, out = options.home, options.out.resolve()
    check_place(out, home)
    _check_of_task(options)
    before = _unfinished(home, out)
    comparing.check_out(out, before.id if before else "")
    wanted = TASKS[options.task](options)
    _say(*wanted.says)
    with Store(home) as store:
        if before is not None and repeats(home, read_plan(before), wanted.plan, wanted.runs):
            _go_on(store, before)
            return before.id, read_plan(before)
        comparing.check_out(out, wanted.spec.id)
        remember(home, out, wanted.spec.id)  # first: what was submitted must be found again
        store.submit(wanted.spec, wanted.runs)
    return wanted.spec.id, wanted.plan


def _check_of_task(options: argparse.Namespace) -> None:
    """Refuse an option of another task: it would do nothing."""
    for task, names in OPTIONS.items():
        for name in names:
            if task != options.task and getattr(options, name) not in (None, False):
                option = "--" + name.replace("_", "-")
                raise SpecError(f"{option} is for --task {task}; leave it out, or name that task.")


def _say(*lines: str | Finding) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _unfinished(home: Path, out: Path) -> ComparisonSpec | None:
    """The newest comparison that was meant for this folder."""
    with Store(home) as store:
        for comparison in reversed(store.comparisons()):
            if out_folder(home, comparison) == str(out):
                return store.comparison(comparison)
    return None


def _go_on(store: Store, before: ComparisonSpec) -> None:
    for row in store.runs(before.id):
        # Asked anew each time: putting a run back puts back what it needs too.
        if store.run(row.id).state not in ("interrupted", "cancelled", "failed"):
            continue
        if RunDirectory.of(store.home, row.id).cancel_requested() != "discard":
            store.requeue(row.id)


def _stop(home: Path, comparison: str) -> None:
    """Take back what waits and end what is at work: it goes on from its last checkpoint."""
    with Store(home) as store:
        for row in store.runs(comparison):
            if row.state == "queued":
                with suppress(RunError):  # it has ended in the meantime
                    client.cancel(home, row.id, "keep")
        while not store.settled(comparison):
            for row in store.runs(comparison):
                worker = process.read_identity(RunDirectory.of(home, row.id).worker)
                if row.state == "running" and worker is not None:
                    process.send_signal(worker, signal.SIGTERM)
            client.ensure_runner(home)
            time.sleep(POLL_SECONDS)
