"""URLs of the first step for classes: pictures and archives that come in, and their thumbnails."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparse_peft.data.classes.offer import class_name
from sparse_peft.errors import DataError
from sparse_peft.ui.classes import boxes, folders, sorting
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.shell import served
from sparse_peft.ui.shell.uploads import keep_files

MOST_FILES = 32  # that the page sends at once
CLASS_EXAMPLE = r"(train|test)/[\w-]+/[\w-]+\.png"
FRESH = {"cache-control": "private, no-store"}

DeskOf = Callable[[Request], Desk]
Coming = Callable[[Desk], AbstractContextManager[Path]]


def add(routes: APIRouter, desk_of: DeskOf, coming: Coming) -> None:
    """Give a router the URLs of classes.

    Args:
        desk_of: the desk of who asks; refuses a stranger.
        coming: a folder on a desk for what comes in, gone afterwards.
    """
    _add_thumbs(routes, desk_of)

    @routes.post("/studio/classes")
    async def classes(
        request: Request, box: str | None = None, name: str = "", test: bool = False
    ) -> Response:
        desk = desk_of(request)
        name = sorting.checked_name(class_name(name))
        if box is None and not name:
            raise DataError("The page does not say which class these are of. Load it again.")
        with coming(desk) as folder:
            paths = await keep_files(request, "pictures", folder, MOST_FILES)
            if not paths:
                raise DataError("No picture came with that. Choose one or more files.")
            found = await run_in_threadpool(boxes.add, desk, paths, box, name, test=test)
        return JSONResponse({"box": found.id, "ready": len(found.everything)}, headers=FRESH)

    @routes.post("/studio/classes/archive")
    async def archive(request: Request) -> Response:
        desk = desk_of(request).turned_to("fewshot")  # another tab may be about one subject
        with coming(desk) as folder:
            paths = await keep_files(request, "archive", folder, 1)
            if not paths or paths[0].suffix.lower() != ".zip":
                raise DataError("Choose a ZIP of class folders: one folder for each class.")
            await run_in_threadpool(folders.add_archive, desk, paths[0])
        return JSONResponse({"ready": True}, headers=FRESH)


def _add_thumbs(routes: APIRouter, desk_of: DeskOf) -> None:
    @routes.get("/studio/classes/{file}")
    def thumb(request: Request, file: str, side: int | None = None) -> Response:
        folder = desk_of(request).folder
        return served.small(folder, f"classes/{file}", f"classes/{served.PICTURE}", None, side)

    @routes.get("/studio/animals/{name:path}")
    def animal(name: str) -> Response:
        return served.answer(folders.EXAMPLE, name, CLASS_EXAMPLE, private=False)
