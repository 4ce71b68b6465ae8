"""The studio's own URLs: files after an owner check, pictures that come in, the pulse."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter
from gradio.utils import get_upload_folder
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from sparse_peft.errors import DataError, RunError
from sparse_peft.ui.classes import routes as class_routes
from sparse_peft.ui.classes.compare import routes as compare_routes
from sparse_peft.ui.clicks import gathering
from sparse_peft.ui.comparisons import downloads, mine, shipped
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.shell import owners, served
from sparse_peft.ui.shell.refusals import RefusedError, not_there
from sparse_peft.ui.shell.uploads import keep_files
from sparse_peft.ui.watch import watching

VISITOR = "visitor"  # who looks at an example without a cookie; no token gives this owner
LONGEST_SEEN = 100_000  # characters of what a page says it has seen
STALE_SECONDS = 3600  # nothing is uploaded for as long: its server was killed

SUBJECTS = Path(__file__).parents[3] / "examples" / "subjects"
FONTS = Path(__file__).parents[2] / "report" / "fonts"
_COMING = ".coming-"


def router(studio: Studio, uploaded: set[str]) -> APIRouter:
    """All URLs that are not Gradio's.

    Args:
        uploaded: where Gradio looks for uploads that have become old.
    """
    routes = APIRouter()
    _add_files(routes, studio)
    _add_downloads(routes, studio)
    _add_pictures(routes, studio, uploaded)
    class_routes.add(routes, partial(_desk, studio), _coming)
    compare_routes.add(routes, partial(_desk, studio), _COMING)

    @routes.get("/healthz")
    def healthz() -> Response:
        return JSONResponse({"ok": True})

    @routes.get("/studio/pulse")
    def pulse(request: Request, seen: str = "{}") -> Response:
        desk = _desk(studio, request, request.query_params.get("open"))
        return _fresh(watching.pulse(desk, _seen(seen)))

    return routes


def _add_files(routes: APIRouter, studio: Studio) -> None:
    def get(path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        return routes.get(f"/studio/{path}")

    @get("files/{run}/{name:path}")
    def output(request: Request, run: str, name: str) -> Response:
        served.check_owner(studio.home, run, _desk(studio, request).owner)
        return served.answer(studio.home / "runs", f"{run}/{name}", served.OUTPUT)

    @get("draft/{file}")
    def draft(
        request: Request, file: str, square: str | None = None, side: int | None = None
    ) -> Response:
        name = f"pictures/{file}"
        folder = _desk(studio, request).folder
        return served.small(folder, name, f"pictures/{served.PICTURE}", square, side)

    @get("data/{subject}/{file}")
    def data(
        request: Request,
        subject: str,
        file: str,
        square: str | None = None,
        side: int | None = None,
    ) -> Response:
        folder = studio.home / "data" / _desk(studio, request).owner
        return served.small(folder, f"{subject}/{file}", served.DATA, square, side)

    @get(f"{shipped.SUBJECT}/{{name:path}}")
    def example(name: str) -> Response:
        folder = shipped.FOLDERS[shipped.SUBJECT]
        return served.answer(folder, name, served.EXAMPLE, private=False)

    @get(f"{shipped.CLASSES}/{{name:path}}")
    def example_of_classes(name: str) -> Response:
        folder = shipped.FOLDERS[shipped.CLASSES]
        return served.answer(folder, name, served.EXAMPLE, private=False)

    @get("subjects/{name}/{file}")
    def subject(name: str, file: str) -> Response:
        return served.answer(SUBJECTS, f"{name}/{file}", served.SUBJECT, private=False)

    @get("fonts/{file}")
    def font(file: str) -> Response:
        return served.answer(FONTS, file, served.FONT, private=False)


def _add_downloads(routes: APIRouter, studio: Studio) -> None:
    @routes.get("/studio/downloads/{comparison}/{what}")
    def download(request: Request, comparison: str, what: str) -> Response:
        if shipped.is_there(comparison):
            desk = Desk(studio, owners.owner_in(request.cookies) or VISITOR, comparison)
        else:
            desk = _desk(studio, request, comparison)
            if desk.open is None:
                raise not_there(audit="comparison of another owner, or none")
        content, kind, name = downloads.make(desk, comparison, what)
        headers = {
            "cache-control": "private, no-store",
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        }
        if isinstance(content, bytes):
            return Response(content, media_type=kind, headers=headers)
        if not isinstance(content, Path):
            return StreamingResponse(content, media_type=kind, headers=headers)
        remove = BackgroundTask(content.unlink, missing_ok=True)
        return FileResponse(content, media_type=kind, headers=headers, background=remove)


def _add_pictures(routes: APIRouter, studio: Studio, uploaded: set[str]) -> None:
    @routes.post("/studio/pictures")
    async def pictures(request: Request) -> Response:
        desk = _desk(studio, request)
        with _coming(desk) as coming:
            paths = await keep_files(request, "pictures", coming)
            if not paths:
                raise DataError("No picture came with that. Choose one or more files.")
            own = desk.turned_to("dreambooth")
            draft = await run_in_threadpool(gathering.add, own, paths)
        return _fresh({"ready": len(draft.pictures), "offered": draft.offered})

    @routes.post("/gradio_api/upload")
    async def upload(request: Request) -> Response:
        # Instead of Gradio's own route, which leaves torn files behind and names a folder by its
        # content: who has the same picture would know the path of another's.
        folder = Path(get_upload_folder())
        folder.mkdir(parents=True, exist_ok=True)
        paths = [str(path) for path in await keep_files(request, "files", folder)]
        uploaded.update(paths)
        return _fresh(paths)


def _desk(studio: Studio, request: Request, comparison: str | None = None) -> Desk:
    """The desk of who asks; nothing is open on it that is somebody else's.

    Raises:
        RefusedError: nobody asks.
    """
    owner = owners.owner_in(request.cookies)
    if owner is None:
        raise RefusedError(401, "Open the page first: it gives the cookie that says who you are.")
    desk = Desk(studio, owner, comparison)
    if comparison is None or shipped.is_there(comparison) or _is_own(desk):
        return desk
    return replace(desk, open=None)


def _is_own(desk: Desk) -> bool:
    try:
        mine.comparisons(desk, desk.open)
    except RunError:
        return False
    return True


def _seen(text: str) -> dict[str, str]:
    """What the page says that it has seen."""
    try:
        seen = json.loads(text) if len(text) <= LONGEST_SEEN else None
    except (ValueError, RecursionError):
        seen = None
    if not isinstance(seen, dict) or not all(isinstance(one, str) for one in seen.values()):
        raise RefusedError(400, "seen is a JSON object of texts.")
    return seen


def _fresh(value: object) -> JSONResponse:
    return JSONResponse(value, headers={"cache-control": "private, no-store"})


@contextmanager
def _coming(desk: Desk) -> Iterator[Path]:
    """A folder on a desk for what comes in; what a killed server left there is removed."""
    desk.folder.mkdir(parents=True, exist_ok=True)
    _sweep(desk.folder)
    with tempfile.TemporaryDirectory(prefix=_COMING, dir=desk.folder) as coming:
        yield Path(coming)


def _sweep(folder: Path) -> None:
    """Remove what a server that was killed left of its uploads."""
    for path in folder.glob(f"{_COMING}*"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
