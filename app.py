"""The studio as a page: `python app.py`. The environment is read here, once."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in words, before a newer import says it worse
    print("Sparse PEFT Studio needs Python 3.11 or newer: python3.11 app.py", file=sys.stderr)
    sys.exit(2)

from collections.abc import Mapping
from dataclasses import dataclass

from sparse_peft.__main__ import default_home
from sparse_peft.commands.arguments import home_folder
from sparse_peft.errors import SpecError, UserError
from sparse_peft.ui.desk.desk import Place, Studio
from sparse_peft.ui.shell.guard import LOOPBACK
from sparse_peft.ui.shell.server import serve

DEFAULT_PORT = 7860
EXIT_MISTAKE = 2


@dataclass(frozen=True)
class Settings:
    """Where the studio is, and who may reach it."""

    place: Place
    host: str
    port: int
    hosts: tuple[str, ...]


def settings(environment: Mapping[str, str]) -> Settings:
    """What STUDIO_HOST, STUDIO_PORT and STUDIO_HOSTS say, or the Space that we are in."""
    space = environment.get("SPACE_HOST", "")
    in_space = bool(space or environment.get("SPACE_ID"))
    host = environment.get("STUDIO_HOST") or ("0.0.0.0" if in_space else "127.0.0.1")
    port = environment.get("STUDIO_PORT") or str(DEFAULT_PORT)
    if not port.isdecimal():
        raise SpecError(f"STUDIO_PORT is {port!r}; expected a number such as {DEFAULT_PORT}.")
    named = (*environment.get("STUDIO_HOSTS", "").split(","), space)
    hosts = tuple(name.strip() for name in named if name.strip())
    place: Place = "space" if in_space else "computer" if host in LOOPBACK else "server"
    return Settings(place, host, int(port), hosts)


def main() -> int:
    """Serve the page; returns the exit status."""
    try:
        asked = settings(os.environ)
        studio = Studio(home_folder(default_home(os.environ)), asked.place)
        serve(studio, asked.host, asked.port, asked.hosts)
    except UserError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:  # before there was a page
        print("Stopped.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
