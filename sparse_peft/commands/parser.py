"""What the command line understands."""

import argparse
from pathlib import Path
from typing import NoReturn

from sparse_peft.commands import (
    classify,
    compare,
    doctor,
    generate,
    import_clip_lora,
    listing,
    merge,
    report,
    runs,
)
from sparse_peft.commands.arguments import path

EXIT_MISTAKE = 2
HOME_NOTE = "Runs are kept under STUDIO_HOME; --home names another folder."


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit status 2."""
        self.exit(EXIT_MISTAKE, f"error: {message}. See: {self.prog} --help\n")


def build(home: Path) -> argparse.ArgumentParser:
    """The parser; each command sets `run`, and those that keep runs have `home`."""
    root = Parser(
        prog="python -m sparse_peft",
        description="Sparse parameter-efficient fine-tuning, side by side.",
        epilog="Give a command and --help for its arguments.",
    )

    def say_help(_: argparse.Namespace) -> int:
        root.print_help()
        return 0

    root.set_defaults(run=say_help)
    commands = root.add_subparsers(metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    def working(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, epilog=HOME_NOTE)
        added.add_argument("--home", type=path, default=home, metavar="DIR",
                           help="where runs are kept")  # fmt: skip
        return added

    listing.add_methods(command("methods", "List the methods and their settings."))
    listing.add_presets(command("presets", "List the presets."))
    doctor.add(working("doctor", "Say what this machine can do."))
    runs.add_list(working("runs", "List the runs."))
    runs.add_resume(working("resume", "Put an interrupted, stopped or failed run back to work."))
    runs.add_cancel(working("cancel", "Stop a run."))
    compare.add(
        working(
            "compare",
            "Train methods on one subject, or on some classes, and set them side by side.",
        )
    )
    generate.add(working("generate", "Draw a new prompt with the base and every method."))
    classify.add(command("classify", "Say which class pictures show, by every method."))
    merge.add(command("merge", "Make an ordinary open_clip checkpoint of a trained adapter."))
    import_clip_lora.add(
        command("import-clip-lora", "Make a folder that classifies of a file of CLIP-LoRA.")
    )
    report.add(command("report", "Write the page of a finished comparison."))
    return root
