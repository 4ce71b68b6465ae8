"""A DreamBooth comparison from the command line: pictures of one subject in, its runs out."""

import argparse
import tempfile
from pathlib import Path

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.commands.settings import applied
from sparse_peft.commands.wanted import Wanted, method_names
from sparse_peft.data.findings import Finding
from sparse_peft.data.subject import Subject
from sparse_peft.data.words import prompts as prompt_files
from sparse_peft.errors import SpecError
from sparse_peft.planning import Choices, check, plan

METHODS = "waveft,lora,so"


def wanted(options: argparse.Namespace) -> Wanted:
    """The comparison that was asked for; its subject is saved.

    Raises:
        UserError: something has to be mended first.
    """
    for name in ("pictures", "noun"):
        if getattr(options, name) is None:
            raise SpecError(f"--{name} is missing; --task dreambooth needs it.")
    source = sources.resolve(options.backbone)
    methods = method_names(METHODS if options.methods is None else options.methods)
    preset = presets.preset(options.preset, "dreambooth", source.family)
    preset = applied(preset, options.set, methods, source)
    prompts, findings = _prompts(options)
    with tempfile.TemporaryDirectory() as scratch:
        subject, more = Subject.from_folder(
            options.pictures, options.noun, Path(scratch), token=options.token,
            captions=options.captions, known_nouns=source.known_nouns or None, prompts=prompts,
            wanted_side=preset.shared.resolution,
        )  # fmt: skip
        choices = Choices(
            source=source,
            subject=subject,
            subject_id=subject.id,
            preset=preset,
            methods=methods,
            budget=options.budget,
            steps=options.steps,
            prompts=prompts,
            seed=options.seed or 0,
            train_seeds=1 if options.train_seeds is None else options.train_seeds,
            allow_over=options.allow_over_budget,
        )
        check(choices)
        subject.save(Path(scratch), options.home / "data")
    note = [source.note] if source.note else []
    reads = f'The backbone reads: "{subject.training_prompts()[0]}"'
    return Wanted(*plan(choices, options.home), (*findings, *more, *note, reads))


def _prompts(options: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    if options.prompts is None:
        return prompt_files.PROMPTS, ()
    return prompt_files.read_prompts(options.prompts)
