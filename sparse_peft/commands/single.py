"""A run that stands alone, waited for."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sparse_peft.commands.progress import Progress
from sparse_peft.errors import RunError
from sparse_peft.runs import client
from sparse_peft.runs.events import Event
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec
from sparse_peft.runs.store import Store
from sparse_peft.runs.waiting import Waiting

POLL_SECONDS = 0.1


def finish(home: Path, spec: RunSpec) -> RunDirectory:
    """Submit a run, show its stages, and give its directory once it has finished.

    Raises:
        RunError: it ended in another way.
    """
    with Store(home) as store:
        store.submit(None, [spec])
        try:
            Progress({spec.id: spec.kind}, {}).follow(_watch(store, spec.id))
        except KeyboardInterrupt:
            with suppress(RunError):  # it ended in the meantime
                client.cancel(home, spec.id, "discard")
            raise
        row = store.run(spec.id)
    if row.state != "finished":
        raise RunError(f"The {spec.kind} run {spec.id} {row.state}: {row.error or row.note}")
    return RunDirectory.of(home, spec.id)


def _watch(store: Store, run_id: str) -> Iterator[tuple[str, Event]]:
    offset, waiting = 0, Waiting(store, {run_id})
    while True:
        state = store.run(run_id).state  # asked first: the last events come before it changes
        events, offset = RunDirectory.of(store.home, run_id).events(offset)
        for event in events:
            yield run_id, event
        if state not in ("queued", "running"):
            return
        if runs := waiting.news():
            yield run_id, {"kind": "waiting", "runs": runs}
        client.ensure_runner(store.home)
        time.sleep(POLL_SECONDS)
