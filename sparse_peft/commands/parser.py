"""What the command line understands."""

import argparse
from pathlib import Path

from sparse_peft.commands import compare, doctor, generate, listing, runs

EPILOG = "Everything is kept under STUDIO_HOME; --home names another folder."


def build(home: Path) -> argparse.ArgumentParser:
    """The parser; each command sets `run`."""
    root = argparse.ArgumentParser(
        prog="python -m sparse_peft",
        description="Sparse parameter-efficient fine-tuning, side by side.",
        epilog=EPILOG,
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, epilog=EPILOG)
        added.add_argument("--home", type=Path, default=home, help="where runs are kept")
        return added

    listing.add_methods(command("methods", "List the methods and their settings."))
    listing.add_presets(command("presets", "List the presets."))
    doctor.add(command("doctor", "Say what this machine can do."))
    runs.add_list(command("runs", "List the runs."))
    runs.add_resume(command("resume", "Put an interrupted, stopped or failed run back to work."))
    runs.add_cancel(command("cancel", "Stop a run."))
    compare.add(command("compare", "Train methods on a subject and set them side by side."))
    generate.add(command("generate", "Draw a new prompt with the base and every method."))
    return root
