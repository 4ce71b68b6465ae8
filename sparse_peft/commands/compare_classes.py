"""A few-shot comparison from the command line: pictures of some classes in, its runs out."""

import argparse
import tempfile
from pathlib import Path

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.clip.names import ClipSource
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.commands.arguments import ALL
from sparse_peft.commands.settings import applied
from sparse_peft.commands.wanted import Wanted, method_names
from sparse_peft.data.classes.folders import open_classes
from sparse_peft.data.findings import Finding
from sparse_peft.data.labelled import Labelled
from sparse_peft.data.published import benchmarks
from sparse_peft.data.published.layouts import layout_named
from sparse_peft.data.published.transfer import NAMES, is_transfer
from sparse_peft.errors import DataError, SpecError
from sparse_peft.planning.classes import ClassesChoices, check, plan
from sparse_peft.tasks.fewshot.recipe import Classes, Tested

METHODS = "zeroshot,waveft,lora,so"
VISION_METHODS = "linear_probe,waveft,lora,so"
SHOTS, SEED, SEEDS = 4, 1, 3


def wanted(options: argparse.Namespace) -> Wanted:
    """The comparison that was asked for; its data set is saved.

    Raises:
        UserError: something has to be mended first.
    """
    source = sources.resolve(options.backbone, "fewshot")
    assert isinstance(source, ClipSource | VisionSource)
    vision = source.kind == "vision"
    usual = VISION_METHODS if vision else METHODS
    methods = method_names(usual if options.methods is None else options.methods)
    preset = presets.preset(options.preset, "fewshot", source.family).of(options.dataset or "")
    preset = applied(preset, options.set, methods, source)
    with tempfile.TemporaryDirectory() as scratch:
        labelled, findings = _labelled(options, Path(scratch), source.side)
        choices = ClassesChoices(
            source=source,
            labelled=labelled,
            dataset_id=labelled.id,
            preset=preset,
            methods=methods,
            shots=None if options.shots == ALL else _given(options.shots, SHOTS),
            budget=options.budget,
            steps=options.steps,
            template=_template(options, vision),
            seed=_given(options.seed, SEED),
            seeds=_given(options.seeds, SEEDS),
            base_to_new=bool(options.base_to_new),
            evaluate=options.evaluate or _usual_split(options.dataset),
            allow_over=options.allow_over_budget,
        )
        check(choices)
        labelled.save(Path(scratch), options.home / "data")
    spec, runs, content = plan(choices, options.home)
    prompt = content.shared.prompts()[0]
    said = _about_test(content.shared) if vision else f'CLIP reads: "{prompt}" and so on'
    return Wanted(spec, runs, content, (*findings, said))


def _usual_split(dataset: str | None) -> Tested:
    """Sets that come with pictures to choose settings on are tested on these."""
    return "val" if is_transfer(dataset or "") else "test"


def _about_test(shared: Classes) -> str:
    return (
        f"Learned from {' and '.join(shared.learn_from)}, tested on {shared.evaluate}; what counts "
        "is the end of each training, not its best step."
    )


def _given(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _labelled(
    options: argparse.Namespace, scratch: Path, side: int
) -> tuple[Labelled, tuple[Finding, ...]]:
    if (options.pictures is None) == (options.dataset is None):
        raise SpecError(
            "Name the pictures with --pictures DIR (a folder of class folders, a ZIP or a CSV), or "
            "a published data set with --dataset NAME --root DIR; one of the two."
        )
    if options.pictures is not None:
        if options.root is not None:
            raise SpecError("--root goes with --dataset; leave it out, or name a data set.")
        return open_classes(options.pictures, scratch, test=options.test, wanted_side=side)
    _check_name(options.dataset)
    if options.root is None:
        raise SpecError("--root is missing: the folder that holds the published data sets.")
    if options.test is not None:
        raise SpecError("--test goes with --pictures; a published data set has its own test set.")
    return benchmarks.open_benchmark(options.dataset, options.root)


def _check_name(dataset: str) -> None:
    """Refuse what is no published set, with the names of all."""
    if is_transfer(dataset):
        return  # whose own error names them
    try:
        layout_named(dataset)
    except DataError as error:
        raise DataError(f"{error} And as SNELL lays them out: {', '.join(NAMES)}.") from error


def _template(options: argparse.Namespace, vision: bool) -> str | None:
    """The template as typed; `coop` stands for the data set's own of CoOp, for a CLIP."""
    if vision or options.template != "coop":
        template: str | None = options.template
        return template
    if options.dataset is None:
        raise SpecError("--template coop goes with --dataset; write the template itself.")
    return benchmarks.template(options.dataset)
