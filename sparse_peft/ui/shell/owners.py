"""Who asks: a random token in a cookie, of which only a hash ever reaches a file."""

import hashlib
import re
import secrets
from typing import Any, Protocol, runtime_checkable

COOKIE = "studio_owner"
MAX_AGE_SECONDS = 365 * 24 * 3600
_TOKEN = re.compile(r"[0-9a-f]{32}")


@runtime_checkable
class Cookies(Protocol):
    """A request's cookies by name: Starlette's mapping, or what Gradio makes of it."""

    # Gradio's has attributes named as the cookies, so one called "get" would hide its method.
    def __getitem__(self, item: str, /) -> Any:
        """The value of a cookie; KeyError if there is none."""
        ...


def new_token() -> str:
    """128 random bits, in hexadecimal."""
    return secrets.token_hex(16)


def token_in(cookies: Cookies) -> str | None:
    """The token among a request's cookies; one that we cannot have given is none."""
    try:
        token = cookies[COOKIE]
    except KeyError:
        return None
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def owner_of(token: str) -> str:
    """The owner that a token stands for: a name for folders and specs."""
    return f"o{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def owner_in(cookies: Cookies) -> str | None:
    """The owner among a request's cookies; None for nobody."""
    token = token_in(cookies)
    return None if token is None else owner_of(token)


def cookie(token: str, *, secure: bool) -> str:
    """The value of the Set-Cookie header.

    Args:
        secure: the browser reaches us by https, perhaps in a frame of another site.
    """
    # Browsers send no other than a partitioned cookie from inside another site's frame.
    reach = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Strict"
    return f"{COOKIE}={token}; Max-Age={MAX_AGE_SECONDS}; Path=/; HttpOnly; {reach}"
