"""How the shell says no: a status and a sentence, as JSON."""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse

from sparse_peft.errors import UserError
from sparse_peft.ui.clicks.actions import on_page

LONGEST_PATH = 200  # of what a stranger asked for, in a line of the log
_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that is not answered as asked.

    Args:
        sentence: for the person or the program that asked.
        audit: why it deserves a line in the log, if it does.
    """

    def __init__(self, status: int, sentence: str, audit: str = "") -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.audit = status, sentence, audit


def not_there(audit: str = "") -> RefusedError:
    """The same answer for what does not exist and for what is somebody else's."""
    return RefusedError(404, "There is nothing here.", audit)


def refuse(request: Request, error: Exception) -> JSONResponse:
    """The answer to a refused request; an error that a person can mend is told in its words."""
    if isinstance(error, UserError):
        return JSONResponse({"error": on_page(error)}, 400)
    assert isinstance(error, RefusedError)
    if error.audit:
        asked = request.url.path[:LONGEST_PATH]
        _log.warning("refused %s %r: %s", request.method, asked, error.audit)
    return JSONResponse({"error": error.sentence}, error.status)
