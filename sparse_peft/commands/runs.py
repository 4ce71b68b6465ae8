"""`runs`, `resume` and `cancel`."""

import argparse

from sparse_peft.runs import client
from sparse_peft.runs.store import Store


def add_list(parser: argparse.ArgumentParser) -> None:
    """Arguments of `runs`."""
    parser.set_defaults(run=_list)


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Arguments of `resume`."""
    parser.add_argument("id", metavar="RUN")
    parser.set_defaults(run=_resume)


def add_cancel(parser: argparse.ArgumentParser) -> None:
    """Arguments of `cancel`."""
    parser.add_argument("id", metavar="RUN")
    parser.add_argument("--discard", action="store_true", help="throw away what it learned so far")
    parser.set_defaults(run=_cancel)


def _list(options: argparse.Namespace) -> int:
    with Store(options.home) as store:
        rows = store.runs()
    if not rows:
        print(f"There are no runs in {options.home}.")
    for row in rows:
        why = row.error or row.note
        print(
            f"{row.id}  {row.kind:8} {row.state:11} {row.comparison or '-':14}"
            + (f"  {why}" if why else "")
        )
    return 0


def _resume(options: argparse.Namespace) -> int:
    with Store(options.home) as store:
        store.requeue(options.id)
    client.ensure_runner(options.home)
    print(f"{options.id} is queued; `runs` shows how it goes")
    return 0


def _cancel(options: argparse.Namespace) -> int:
    client.cancel(options.home, options.id, "discard" if options.discard else "keep")
    print(f"{options.id} was asked to stop")
    return 0
