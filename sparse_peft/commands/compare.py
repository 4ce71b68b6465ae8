"""`compare`: a folder of pictures in, the methods side by side out."""

import argparse
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparse_peft import compare as comparing
from sparse_peft import files, presets
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.commands.arguments import check_place, whole_number
from sparse_peft.commands.progress import Progress
from sparse_peft.data import prompts as prompt_files
from sparse_peft.data.findings import Finding
from sparse_peft.data.subject import Subject
from sparse_peft.errors import RunError
from sparse_peft.outcome import outcome
from sparse_peft.planning import Choices, ComparisonPlan, check, plan, read_plan, same
from sparse_peft.runs import client, process
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import ComparisonSpec
from sparse_peft.runs.store import Store

EXIT_PARTLY = 1
POLL_SECONDS = 0.1
OUT_NOTES = "out-folders"  # home/out-folders/<comparison>: which --out folder it is for


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `compare`."""
    add_ = parser.add_argument
    add_("--task", choices=["dreambooth"], default="dreambooth")
    add_("--pictures", type=Path, required=True, metavar="DIR", help="3 to 6 pictures of a subject")
    add_("--noun", required=True, help="what the subject is, such as dog")
    add_("--token", help="the word that will mean this one; chosen if left out")
    add_("--captions", type=Path, metavar="FILE", help="lines of file name, tab or comma, caption")
    add_("--backbone", default="builtin", help="builtin, a hub id or a local diffusers folder")
    add_("--methods", default="waveft,lora,so", help="names from `methods`, with commas")
    add_(
        "--budget",
        type=whole_number,
        metavar="N",
        help="trainable values in all; the preset's if left out",
    )
    add_("--preset", default="quick", help="quick, balanced, best or a TOML file")
    add_(
        "--steps", type=whole_number, metavar="N", help="optimizer steps; the preset's if left out"
    )
    add_("--prompts", type=Path, metavar="FILE", help="one a line; {subject} is your subject")
    add_(
        "--seed", type=whole_number, default=0, metavar="N", help="of the data order and the noise"
    )
    add_("--train-seeds", type=whole_number, default=1, metavar="N",
         help="how often each method is trained")  # fmt: skip
    add_("--out", type=Path, required=True, metavar="DIR", help="a new or an empty folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Submit the comparison or go on with it, follow it, and write its results."""
    home: Path = options.home
    comparison, chosen = _submitted(options)
    labels = {chosen.prepare: "base"} | {run.run: run.id for run in chosen.runs}
    steps = {run.run: run.training.steps for run in chosen.runs}
    try:
        Progress(labels, steps).follow(client.watch(home, comparison))
    except KeyboardInterrupt:
        _stop(home, comparison)
        _say("The same command goes on from here.")
        raise
    value = comparing.write(options.out, outcome(home, comparison))
    print(options.out.resolve() / "index.html")
    return _status(value)


def _status(value: dict[str, Any]) -> int:
    """The exit status, once it is said what has not finished."""
    left = [run for run in value["runs"] if run["state"] != "finished"]
    _say(*(f"{run['id']} {run['state']}: {run['error'] or 'no reason given'}" for run in left))
    if not left:
        return 0
    _say("All else is complete. The same command goes on with what was not discarded.")
    return EXIT_PARTLY


def _submitted(options: argparse.Namespace) -> tuple[str, ComparisonPlan]:
    home, out = options.home, options.out.resolve()
    check_place(out, home)
    before = _unfinished(home, out)
    comparing.check_out(out, before.id if before else "")
    source = sources.resolve(options.backbone)
    preset = presets.preset(options.preset, options.task, source.family)
    wanted, findings = _prompts(options)
    with tempfile.TemporaryDirectory() as scratch:
        subject, more = Subject.from_folder(
            options.pictures, options.noun, Path(scratch), token=options.token,
            captions=options.captions, known_nouns=source.known_nouns or None, prompts=wanted,
            wanted_side=preset.shared.resolution,
        )  # fmt: skip
        choices = _choices(options, source, subject, preset, wanted)
        check(choices)
        subject.save(Path(scratch), home / "data")
    spec, runs, chosen = plan(choices, home)
    note = [source.note] if source.note else []
    _say(*findings, *more, *note, f'The backbone reads: "{subject.training_prompts()[0]}"')
    with Store(home) as store:
        if before is not None and same(read_plan(before), chosen):
            _go_on(store, before)
            return before.id, read_plan(before)
        comparing.check_out(out, spec.id)
        _remember(home, out, spec.id)  # first: what was submitted must be found again
        store.submit(spec, runs)
    return spec.id, chosen


def _prompts(options: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    if options.prompts is None:
        return prompt_files.PROMPTS, ()
    return prompt_files.read_prompts(options.prompts)


def _choices(
    options: argparse.Namespace,
    source: Source,
    subject: Subject,
    preset: presets.Preset,
    prompts: tuple[str, ...],
) -> Choices:
    return Choices(
        source=source,
        subject=subject,
        subject_id=subject.id,
        preset=preset,
        methods=tuple(name.strip() for name in options.methods.split(",") if name.strip()),
        budget=options.budget,
        steps=options.steps,
        prompts=prompts,
        seed=options.seed,
        train_seeds=options.train_seeds,
    )


def _say(*lines: str | Finding) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _remember(home: Path, out: Path, comparison: str) -> None:
    folder = home / OUT_NOTES
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / comparison, str(out))


def _unfinished(home: Path, out: Path) -> ComparisonSpec | None:
    """The newest comparison that was meant for this folder."""
    with Store(home) as store:
        for comparison in reversed(store.comparisons()):
            note = home / OUT_NOTES / comparison
            if note.is_file() and note.read_text(encoding="utf-8") == str(out):
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
