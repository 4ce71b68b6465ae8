"""The command line: `python -m sparse_peft COMMAND`.

It reads the environment once, here, and passes values down.
"""

import argparse
import os
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path

from sparse_peft import files
from sparse_peft.commands import parser
from sparse_peft.commands.arguments import home_folder
from sparse_peft.errors import UserError

EXIT_UNREAD = 1
EXIT_INTERRUPTED = 130


def default_home(environment: Mapping[str, str]) -> Path:
    """STUDIO_HOME, or the user's data folder; never the current one."""
    if environment.get("STUDIO_HOME"):
        return Path(environment["STUDIO_HOME"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sparse-peft-studio"
    data = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "sparse-peft-studio"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = parser.build(default_home(os.environ)).parse_args(arguments)
    try:
        status = _run(options)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return parser.EXIT_MISTAKE
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # what reads our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD
    return status


def _run(options: argparse.Namespace) -> int:
    if "home" not in options:
        return int(options.run(options))
    options.home = home_folder(options.home)
    try:
        with files.disk_words(options.home):
            return int(options.run(options))
    except sqlite3.OperationalError as error:
        raise files.DiskError(
            f"{options.home / 'studio.db'} could not be used: {error}. Nothing was lost: free some "
            "space, or wait, and give the same command again."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
