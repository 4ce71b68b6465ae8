"""While the page is served: runs that wait have a runner, also after one was killed."""

import logging
import sqlite3
import threading
from pathlib import Path

from sparse_peft.errors import UserError
from sparse_peft.files import Lock
from sparse_peft.runs import client
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store

LOOK_SECONDS = 1.0
PAUSE_SECONDS = 30.0  # after a runner could not be started
_log = logging.getLogger(__name__)


def keep_a_runner(home: Path, stopped: threading.Event) -> None:
    """Start a runner whenever one is needed, until told to stop; runners outlive us."""
    pause = 0.0
    while not stopped.wait(pause):
        pause = LOOK_SECONDS
        try:
            if runner_needed(home):
                client.ensure_runner(home)
        except (UserError, sqlite3.OperationalError) as error:
            _log.error("%s", error)
            pause = PAUSE_SECONDS


def runner_needed(home: Path) -> bool:
    """Whether there is something for a runner to do, and none to do it."""
    if Lock.held_elsewhere(runner_lock_path(home)):
        return False
    with Store(home) as store:
        return store.claimable() or bool(store.runs(state="running"))
