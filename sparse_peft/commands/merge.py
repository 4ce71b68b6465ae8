"""`merge`: an ordinary open_clip checkpoint of one trained adapter."""

import argparse

from sparse_peft import files
from sparse_peft.commands.arguments import empty_folder, path
from sparse_peft.commands.classify import begin, classifiers
from sparse_peft.errors import SpecError
from sparse_peft.tasks.fewshot.recipe import SCRIPT


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `merge`."""
    parser.add_argument("--run", dest="trained", type=path, required=True, metavar="DIR",
                        help="a folder of one adapter of a few-shot comparison, or its run's own "
                        "folder")  # fmt: skip
    parser.add_argument("--out", type=path, required=True, metavar="DIR",
                        help="a new or an empty folder")  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the checkpoint, and a script that classifies a folder by it."""
    folders = classifiers(options.trained)
    if len(folders) != 1:
        raise SpecError(
            f"--run {options.trained} holds {len(folders)} classifiers; give the folder of one, "
            f"such as {next(iter(folders.values()))}."
        )
    out = empty_folder(options.out)
    from sparse_peft.tasks.fewshot.merge import merge

    (folder,) = folders.values()
    files.write_folder(out, lambda scratch: merge(folder, scratch, begin))
    print(out / SCRIPT)
    return 0
