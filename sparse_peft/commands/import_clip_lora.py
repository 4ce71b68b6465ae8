"""`import-clip-lora`: a published CLIP-LoRA checkpoint becomes a folder that classifies."""

import argparse
from pathlib import Path

from sparse_peft import files
from sparse_peft.commands.arguments import empty_folder, path
from sparse_peft.data.words.text import read_text
from sparse_peft.errors import SpecError
from sparse_peft.tasks.fewshot.recipe import TEMPLATE


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import-clip-lora`."""
    add_ = parser.add_argument
    add_("file", type=path, metavar="FILE.pt", help="as CLIP-LoRA saves one")
    add_(
        "--backbone", required=True, help="the CLIP that it was trained on, such as ViT-B-16/openai"
    )
    add_("--classes", type=path, required=True, metavar="FILE",
         help="names of its classes, one a line, in the order of their numbers")  # fmt: skip
    add_("--template", default=TEMPLATE, metavar="TEXT", help=f"default: {TEMPLATE!r}")
    add_("--out", type=path, required=True, metavar="DIR", help="a new or an empty folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write an adapter folder that `classify` and `merge` take."""
    out = empty_folder(options.out)
    classes = [line.strip() for line in read_text(options.classes).splitlines() if line.strip()]
    if not classes:
        raise SpecError(f"--classes {options.classes} names none; write one a line.")
    from sparse_peft.tasks.fewshot.imported import clip_lora

    def fill(folder: Path) -> None:
        clip_lora(options.file, options.backbone, classes, options.template, folder)

    files.write_folder(out, fill)
    print(out)
    return 0
