"""URLs of few-shot comparisons: pictures of a set in place, cells of a matrix, pictures to try."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import DataError
from sparse_peft.ui.classes.compare import cells, trying
from sparse_peft.ui.classes.compare.pictures import SIDE
from sparse_peft.ui.comparisons import mine, shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.shell import served
from sparse_peft.ui.shell.refusals import not_there
from sparse_peft.ui.shell.uploads import keep_files

FOREIGN = "comparison of another owner, or none"

DeskOf = Callable[[Request, str | None], Desk]
"""The desk of who asks, with a comparison open if it is theirs."""


def add(routes: APIRouter, desk_of: DeskOf, coming: str) -> None:
    """Give a router these URLs.

    Args:
        coming: how folders of uploads begin, which are swept away once they are old.
    """

    def owned(request: Request, comparison: str) -> Desk:
        desk = desk_of(request, comparison)
        own = desk.open is not None and not shipped.is_there(comparison)
        if not own or not served.is_id(comparison):
            raise not_there(audit=FOREIGN)
        return desk

    @routes.get("/studio/comparisons/{comparison}/pictures/{place}")
    def picture(request: Request, comparison: str, place: str) -> Response:
        outcome = mine.opened(owned(request, comparison), comparison)
        pictures = outcome.pictures if isinstance(outcome, ClassesOutcome) else {}
        number = _whole(place)
        if number not in pictures:
            raise not_there()
        return served.any_small(pictures[number], _whole(request.query_params.get("side", SIDE)))

    @routes.get("/studio/comparisons/{comparison}/cell")
    def cell(request: Request, comparison: str) -> Response:
        desk_of_one = desk_of if shipped.is_there(comparison) else owned
        desk, asked = desk_of_one(request, comparison), request.query_params
        truth, predicted = (_whole(asked.get(name, "")) for name in ("truth", "predicted"))
        row = asked.get("row", "")
        return _fresh(cells.cell(desk, comparison, row, truth, predicted))

    @routes.post("/studio/comparisons/{comparison}/try")
    async def attempt(request: Request, comparison: str) -> Response:
        desk = await run_in_threadpool(owned, request, comparison)
        desk.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=coming, dir=desk.folder) as folder:
            paths = await keep_files(request, "pictures", Path(folder))
            if not paths:
                raise DataError("No picture came with that. Choose one or more files.")
            run = await run_in_threadpool(trying.submit, desk, comparison, paths)
        return _fresh({"run": run})


def _whole(text: object) -> int:
    """A number that a browser sent; -1, which nothing has, for anything else."""
    return int(str(text)) if re.fullmatch(r"\d{1,9}", str(text), re.ASCII) else -1


def _fresh(value: object) -> JSONResponse:
    return JSONResponse(value, headers={"cache-control": "private, no-store"})
