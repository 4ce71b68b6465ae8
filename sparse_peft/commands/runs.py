"""`runs`, `resume` and `cancel`."""

import argparse
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from sparse_peft.commands.ending import stopped
from sparse_peft.commands.out_notes import out_folder
from sparse_peft.errors import SpecError
from sparse_peft.planning import read_plan
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow, Store

WIDTH = 100  # letters of a line
NAME_WIDTH, STATE_WIDTH = 14, 11


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
        names: dict[str, str] = {}
        for comparison, group in groupby(rows, lambda row: row.comparison):
            if comparison is not None:
                title, named = _about(store, comparison)
                names |= named
                print(f"{comparison}  {title}")
            for row in group:
                _show(store.home, row, names.get(row.id, row.kind), "  " if comparison else "")
    return 0


def _about(store: Store, comparison: str) -> tuple[str, dict[str, str]]:
    """What a comparison is of, where its results go, and the names of its trainings by run."""
    try:
        plan = read_plan(store.comparison(comparison))
    except SpecError as error:  # of another version: its runs are listed all the same
        return str(error), {}
    out = out_folder(store.home, comparison)
    title = plan.title if isinstance(plan, ClassesPlan) else plan.dataset
    where = f", in {out}" if out else ""
    return f"{plan.task} on {title}{where}", {run.run: run.id for run in plan.runs}


def _show(home: Path, row: RunRow, name: str, indent: str) -> None:
    directory = RunDirectory.of(home, row.id)
    why = row.error or row.note or (stopped(directory) if row.state == "cancelled" else "")
    if row.kind == "generate":
        why = why or repr(directory.spec.settings["prompt"])
    start = f"{indent}{row.id}  {name:{NAME_WIDTH}} {row.state:{STATE_WIDTH}} "
    lines = wrap(why, WIDTH - len(start), break_long_words=False, break_on_hyphens=False)
    for line in lines or [""]:
        print(f"{start}{line}".rstrip())
        start = " " * len(start)


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
