"""The gate in front of everything: hosts, origins, doors, owners, and the size of bodies."""

import json
from collections import OrderedDict
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparse_peft.ui.shell import owners
from sparse_peft.ui.shell.doors import Door, door_for, is_plain
from sparse_peft.ui.shell.refusals import RefusedError, not_there, refuse

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_SESSIONS = 10_000
LONGEST_SESSION = 128
_AGAIN = '<!doctype html><meta http-equiv="refresh" content="0"><title>Sparse PEFT Studio</title>'
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


class Guard:
    """Lets a request through when it comes from our own page or from no page at all.

    Args:
        hosts: names that the studio is reached by, besides those of this computer.
        https: whether browsers reach us by https although we are asked by http.
        framed: whether huggingface.co may show the page in a frame.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] = (), *, https: bool = False,
        framed: bool = False,
    ) -> None:  # fmt: skip
        self._app = app
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        self._https = https
        self._policy = _POLICY + (" https://huggingface.co" if framed else "")
        self._sessions = Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        headers = {
            "content-security-policy": self._policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }
        dressed = _with_headers(send, headers)
        try:
            app, receive = await self._admitted(request, receive, headers)
        except RefusedError as refused:
            await refuse(request, refused)(scope, receive, dressed)
        else:
            await app(scope, receive, dressed)

    async def _admitted(
        self, request: Request, receive: Receive, headers: dict[str, str]
    ) -> tuple[ASGIApp, Receive]:
        """What answers the request, and its body; `headers` of the answer may get a cookie."""
        secure = self._https or request.url.scheme == "https"
        self._check_host(request)
        door = _door(request)
        _check_site(request, secure)
        token = owners.token_in(request.cookies)
        if door.need == "page":
            if token is None and not secure and _site(request) == "cross-site":
                # After a click on another site a strict cookie is not sent, although it may be
                # there: a new one would take everything from its owner. From our own page it is.
                return HTMLResponse(_AGAIN), receive
            token = token or owners.new_token()
            headers["set-cookie"] = owners.cookie(token, secure=secure)
            headers["cache-control"] = "no-store"
        if door.need in ("event", "upload") and token is None:
            raise RefusedError(
                401, "Open the page first: it gives the cookie that says who you are."
            )
        receive = _counted(request, receive, door.most_bytes)
        if door.need == "event" and token is not None:
            receive = await self._of_session(request, receive, owners.owner_of(token))
        return self._app, receive

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if _name(host) not in self._hosts:
            raise RefusedError(
                400,
                "The studio is not known by this name. Whoever started it can allow the name with "
                "STUDIO_HOSTS.",
                audit=f"host {host[:100]!r}",
            )

    async def _of_session(self, request: Request, receive: Receive, owner: str) -> Receive:
        """The body of an event, if its session is not somebody else's: Gradio would not look."""
        if request.method == "POST":
            asked = await _json(receive)
            session = asked.get("session_hash")
            # What was looked at is what Gradio gets to read, even where a key came twice.
            receive = _replayed(json.dumps(asked).encode(), receive)
        else:
            tail = request.url.path.rpartition("/")[2]
            session = request.query_params.get("session_hash", tail)
        if session is not None and not self._sessions.belongs(session, owner):
            raise RefusedError(
                403, "This session is somebody else's.", audit="session of another owner"
            )
        return receive


class Sessions:
    """Whose each of Gradio's sessions is: the first owner to name it."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def belongs(self, session: object, owner: str) -> bool:
        """Whether it is this owner's, from now on if nobody named it before."""
        if not isinstance(session, str) or len(session) > LONGEST_SESSION:
            return False
        holder = self._owners.setdefault(session, owner)
        self._owners.move_to_end(session)
        if len(self._owners) > MOST_SESSIONS:
            self._owners.popitem(last=False)
        return holder == owner


def _door(request: Request) -> Door:
    path = request.scope["path"]
    if not is_plain(path, request.scope.get("raw_path") or path.encode()):
        raise not_there(audit="a path with more than one meaning")
    door = door_for(request.method, path)
    if door is None:
        raise not_there()
    return door


def _check_site(request: Request, secure: bool) -> None:
    """Return unless a page of another site, or of another port, asks."""
    origin = request.headers.get("origin")
    own = f"{'https' if secure else 'http'}://{request.headers['host']}"
    if origin is not None and origin.lower() != own.lower():
        raise _other_site(f"origin {origin[:100]!r}")
    followed = request.method in ("GET", "HEAD") and (
        request.headers.get("sec-fetch-mode") == "navigate"
    )
    if _site(request) in ("cross-site", "same-site") and not followed:
        raise _other_site(f"sec-fetch-site {_site(request)}")


def _other_site(audit: str) -> RefusedError:
    return RefusedError(403, "Another page may not ask the studio for this.", audit)


def _site(request: Request) -> str | None:
    return request.headers.get("sec-fetch-site")


def _name(host: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # a port that is none is a ValueError
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _counted(request: Request, receive: Receive, most: int) -> Receive:
    """The body as it comes, until it is too large."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most:
        raise _too_large(most)
    left = most

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(most)
        return message

    return counted


def _too_large(most: int) -> RefusedError:
    return RefusedError(
        413, f"That is too much at once: at most {most / 2**20:g} MB. Send fewer or smaller ones."
    )


async def _json(receive: Receive) -> dict[str, object]:
    """The whole body of an event."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        asked = json.loads(bytes(body))
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise RefusedError(400, "An event is a JSON object.")
    return asked


def _replayed(body: bytes, receive: Receive) -> Receive:
    first = True

    async def replayed() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = MutableHeaders(scope=message)
            for name, value in headers.items():
                present[name] = value
        await send(message)

    return dressed
