"""`compare`: a folder of pictures in, the methods side by side out."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sparse_peft import compare as comparing
from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.commands.progress import Progress
from sparse_peft.data import prompts as prompt_files
from sparse_peft.data.findings import Finding
from sparse_peft.data.subject import Subject
from sparse_peft.outcome import outcome
from sparse_peft.planning import Choices, ComparisonPlan, plan, read_plan
from sparse_peft.runs import client
from sparse_peft.runs.spec import ComparisonSpec
from sparse_peft.runs.store import Store

EXIT_PARTLY = 1
OUT_NOTES = "out"  # home/out/<comparison>: which --out folder it is for


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
    add_("--budget", type=int, help="trainable values in all; the preset's if left out")
    add_("--preset", default="quick", help="quick, balanced, best or a TOML file")
    add_("--steps", type=int, help="optimizer steps; the preset's if left out")
    add_("--prompts", type=Path, metavar="FILE", help="one a line; {subject} is your subject")
    add_("--seed", type=int, default=0, help="of the data order and the noise")
    add_("--train-seeds", type=int, default=1, help="how often each method is trained")
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
        raise
    value = comparing.write(options.out, outcome(home, comparison))
    states = [run["state"] for run in value["runs"]]
    print(options.out.resolve() / "index.html")
    return 0 if all(state == "finished" for state in states) else EXIT_PARTLY


def _submitted(options: argparse.Namespace) -> tuple[str, ComparisonPlan]:
    home, out = options.home, options.out.resolve()
    source = sources.resolve(options.backbone)
    preset = presets.preset(options.preset, options.task, source.family)
    wanted, findings = _prompts(options)
    with tempfile.TemporaryDirectory() as scratch:
        subject, more = Subject.from_folder(
            options.pictures, options.noun, Path(scratch), token=options.token,
            captions=options.captions, known_nouns=source.known_nouns or None, prompts=wanted,
            wanted_side=preset.shared.resolution,
        )  # fmt: skip
        _say((*findings, *more))
        choices = _choices(options, source, subject, preset, wanted)
        before = _unfinished(home, out)
        if before is None:
            comparing.check_out(out, "")
        folder = subject.save(Path(scratch), home / "data")
    assert folder.name == subject.id
    spec, runs, chosen = plan(choices, home)
    print(f'The backbone reads: "{subject.training_prompts()[0]}"', file=sys.stderr)
    with Store(home) as store:
        if before is not None and _same(before, chosen):
            _go_on(store, before)
            return before.id, read_plan(before)
        comparing.check_out(out, spec.id)
        store.submit(spec, runs)
    _remember(home, out, spec.id)
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


def _say(findings: Sequence[Finding]) -> None:
    for finding in findings:
        print(finding, file=sys.stderr)


def _remember(home: Path, out: Path, comparison: str) -> None:
    folder = home / OUT_NOTES
    folder.mkdir(parents=True, exist_ok=True)
    (folder / comparison).write_text(str(out), encoding="utf-8")


def _unfinished(home: Path, out: Path) -> ComparisonSpec | None:
    """The newest comparison that was meant for this folder."""
    notes = sorted((home / OUT_NOTES).glob("*"), reverse=True)
    for note in notes:
        if note.read_text(encoding="utf-8") == str(out):
            with Store(home) as store:
                return store.comparison(note.name)
    return None


def _same(before: ComparisonSpec, chosen: ComparisonPlan) -> bool:
    """Whether the same was asked for before: everything but the ids of the runs."""

    def asked(content: ComparisonPlan) -> object:
        table = tables.table(content) | {"prepare": None}
        return table | {"runs": [run | {"run": None} for run in table["runs"]]}

    return asked(read_plan(before)) == asked(chosen)


def _go_on(store: Store, before: ComparisonSpec) -> None:
    for row in store.runs(before.id):
        # Asked anew each time: putting a run back puts back what it needs too.
        if store.run(row.id).state in ("interrupted", "cancelled", "failed"):
            store.requeue(row.id)


def _stop(home: Path, comparison: str) -> None:
    """Ask every run to stop and keep what it learned, and wait until each has."""
    with Store(home) as store:
        for row in store.runs(comparison):
            if row.state in ("queued", "running"):
                client.cancel(home, row.id, "keep")
    for _ in client.watch(home, comparison):
        pass
