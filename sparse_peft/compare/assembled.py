"""What the runs of a comparison left behind as the content of `comparison.json`."""

from typing import Any

from sparse_peft.compare import classes, subject
from sparse_peft.comparison import AnyOutcome, ClassesOutcome
from sparse_peft.measure import Drawn

FORMAT = subject.FORMAT


def assemble(outcome: AnyOutcome, read: subject.Reader = Drawn.read) -> dict[str, Any]:
    """The content of `comparison.json`. What is absent is None; a damaged run says so in its error.

    Args:
        read: gives what a run drew, from its folder and the base's; another one may remember.
            Pictures of classes are not drawn: there it is not asked.

    Raises:
        RunError: the outputs of the prepare run cannot be read.
    """
    if isinstance(outcome, ClassesOutcome):
        return classes.assemble(outcome)
    return subject.assemble(outcome, read)
