"""What a check has to say about a picture, a caption or a prompt."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sparse_peft.errors import DataError

Severity = Literal["stop", "warn", "info"]
LONGEST_NAME = 60  # of a file's name on screen
MOST_REASONS = 6  # in one message


@dataclass(frozen=True)
class Finding:
    """One sentence of a check."""

    picture: str | None
    """The name of the picture it belongs to; None: all of them."""
    severity: Severity
    """stop: nothing can start; warn: it can, and may disappoint; info: good to know."""
    text: str

    def __str__(self) -> str:
        return self.text if self.picture is None else f"{self.picture}: {self.text}"


class UnreadableError(DataError):
    """A picture that is left out; the reason follows "could not be read, left out: "."""


def stop_on(findings: Iterable[Finding]) -> None:
    """Raise DataError if a finding stops, with what was said of single pictures as its reasons."""
    findings = list(findings)
    stops = [str(finding) for finding in findings if finding.severity == "stop"]
    if stops:
        others = [f for f in findings if f.severity != "stop" and f.picture is not None]
        reasons = [str(finding) for finding in others]
        more = " ..." if len(reasons) > MOST_REASONS else ""
        raise DataError("\n".join([*stops, *reasons[:MOST_REASONS]]) + more)


def shown(name: str) -> str:
    """A file's name as it can be printed: one line, no control characters, not endless."""
    text = "".join(letter if letter.isprintable() else "?" for letter in name)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 3]}..."


def listed(names: Iterable[str], most: int = 6) -> str:
    """Names for a sentence: `a, b, c ...`."""
    names = list(names)
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")
