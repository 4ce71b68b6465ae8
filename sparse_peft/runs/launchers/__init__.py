"""Engines: where workers run. Five verbs, and `poll` is the source of liveness."""

import signal
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class DeviceBusy(Exception):  # noqa: N818 - a state of the world, not a failure of the run
    """Someone else holds the device."""


@dataclass(frozen=True)
class Life:
    """What is known of a worker."""

    alive: bool
    exit_status: int | None = None
    """negative for a signal; None while alive, or when it was not our child"""


@runtime_checkable
class Launcher(Protocol):
    """Starts workers and looks after them; knows no queue."""

    def start(self, run_id: str, device: str, attempt: int) -> None:
        """Start the worker of a run whose inputs are in place.

        Raises:
            DeviceBusy: someone else holds the device.
        """

    def poll(self, run_id: str) -> Life:
        """Whether its worker lives."""

    def cancel(self, run_id: str, number: signal.Signals) -> bool:
        """Signal a worker that does not stop by itself; False if it cannot be reached."""

    def read(self, run_id: str, name: str, tail_bytes: int) -> bytes:
        """The end of a file in its directory; empty if there is none."""

    def attach(self, run_id: str) -> bool:
        """Take over a worker that another runner started; False if it is dead."""
