"""The command line: `python -m sparse_peft COMMAND`.

It reads the environment once, here, and passes values down.
"""

import os
import sys
from pathlib import Path

from sparse_peft.commands import parser
from sparse_peft.errors import UserError

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130


def default_home(environment: dict[str, str]) -> Path:
    """STUDIO_HOME, or the user's data folder; never the current one."""
    if environment.get("STUDIO_HOME"):
        return Path(environment["STUDIO_HOME"]).expanduser().resolve()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sparse-peft-studio"
    data = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "sparse-peft-studio"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = parser.build(default_home(dict(os.environ))).parse_args(arguments)
    try:
        status: int = options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
