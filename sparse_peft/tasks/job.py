"""What a kind of run is handed by whoever runs it; imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from sparse_peft.errors import RunError

Stop = Literal["keep", "discard"]


class Cancelled(Exception):  # noqa: N818 - an end that was asked for is no error
    """A person stopped the run after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"cancelled after step {step}")
        self.step = step


class NotFinite(RunError):  # noqa: N818 - the name of the reason
    """A loss or a value is infinite or not a number: going on would train on rubbish.

    Args:
        what: names the loss or the value.
    """

    def __init__(self, step: int, lr: float | None = None, what: str = "the loss") -> None:
        rate = "" if lr is None else f" (learning rate {lr:g})"
        super().__init__(
            f"At step {step} {what} is not a finite number{rate}. Use a lower learning rate."
        )
        self.step = step


@runtime_checkable
class Job(Protocol):
    """One run, as its kind sees it: settings in, events, checkpoints and a report out.

    A kind of run is a function of a Job. It returns when finished; when `should_stop` says so it
    saves what is to be kept and raises `Cancelled`.
    """

    settings: Mapping[str, Any]
    folder: Path  # the run directory: inputs are in `inputs`, outputs are written beside it
    device: str  # "cpu" or "cuda:0"
    attempt: int  # 1 for the first

    @property
    def beside(self) -> int:
        """How many other CPU slots of this machine are at work at this moment."""

    def emit(self, kind: str, **fields: Any) -> None:
        """Append an event; JSON values only."""

    def should_stop(self) -> Stop | None:
        """What a person who cancelled wants done with the result so far; None to go on."""

    def save_checkpoint(self, step: int, tensors: dict[str, Any], state: dict[str, Any]) -> None:
        """Keep everything needed to go on after `step`; whole or not at all.

        Raises:
            NotFinite: a tensor holds a value that is not finite.
        """

    def load_checkpoint(self) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
        """Step, tensors and state of the newest good checkpoint; a bad one becomes a note."""

    def report(self, value: dict[str, Any]) -> None:
        """Write the result of the run; the last thing a kind does."""
