"""Test prompts as a person reads and types them, "your dog" for "a {subject}"."""

import re
from collections.abc import Iterable

from sparse_peft.data.words.prompts import SUBJECT, checked_prompts


def typed_prompts(text: str, noun: str) -> tuple[str, ...]:
    """Prompts as files have them, of what a person typed, one a line; none for an empty text.

    "your dog" stands for the subject where files have "a {subject}".

    Raises:
        DataError: names the line.
    """
    if not text.strip():
        return ()
    yours = re.compile(rf"\b(?:(an?) )?(y)our (?:{_named(noun)})(?!\w)", re.IGNORECASE)

    def in_files(match: re.Match[str]) -> str:
        begins = (match[1] or match[2])[0]
        return f"{'A' if begins.isupper() else 'a'} {SUBJECT}"

    return checked_prompts(yours.sub(in_files, text), "Prompts")[0]


def shown_prompts(prompts: Iterable[str], noun: str) -> str:
    """What a person reads and edits: the inverse of `typed_prompts`, one prompt a line."""
    name = noun.strip() or "subject"
    return re.sub(
        rf"\b([aA]) {re.escape(SUBJECT)}",
        lambda match: f"{'Your' if match[1] == 'A' else 'your'} {name}",
        "\n".join(prompts),
    )


def _named(noun: str) -> str:
    """A pattern for what may follow "your"."""
    words = [re.escape(word) for word in noun.split()]
    return " +".join(words) + "|subject" if words else "subject"
