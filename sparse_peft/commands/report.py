"""`report`: the page of a finished comparison, rebuilt from its folder alone."""

import argparse
import os

from sparse_peft import files, tables
from sparse_peft.commands.arguments import check_parent, out_words, path
from sparse_peft.compare import FORMAT
from sparse_peft.errors import SpecError
from sparse_peft.report.page import page
from sparse_peft.report.pictures import below

# What a page stumbles over in a file that something has changed, or in a picture that is not there.
DAMAGE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `report`."""
    parser.add_argument(
        "--comparison", type=path, required=True, metavar="DIR", help="holds comparison.json"
    )
    parser.add_argument("--out", type=path, required=True, metavar="FILE.html")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write one offline page; an existing file is refused."""
    if os.path.exists(options.out):
        raise SpecError(f"--out {options.out} exists; name a new file.")
    check_parent(options.out.resolve())
    value = tables.read_json(options.comparison / "comparison.json")
    if value.get("format") != FORMAT:
        raise SpecError(
            f"{options.comparison} has format {value.get('format')!r}; "
            f"this version reads format {FORMAT}."
        )
    try:
        text = page(value, below(options.comparison))
    except DAMAGE as error:
        raise SpecError(
            f"{options.comparison} is damaged ({type(error).__name__}: {error}); "
            "give the command that made it again."
        ) from error
    with out_words(options.out):
        options.out.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(options.out, text)
    print(options.out.resolve())
    return 0
