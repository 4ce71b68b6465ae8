"""What the subject is called: a noun that the backbone knows, a token that it does not."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from sparse_peft.data.findings import Finding, listed
from sparse_peft.errors import DataError
from sparse_peft.tables import nearest

TOKENS = ("sks", "zwx", "vfk", "qjx", "xbz", "zjw")  # mean nothing; none is in COMMON_WORDS
COMMON_WORDS = Path(__file__).with_name("common_words.txt")
LONGEST_NOUN = 40
_TOKEN = re.compile(r"[a-z][a-z0-9]{1,15}")


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of some texts, in lower case."""
    return frozenset(word for text in texts for word in re.findall(r"\w+", text.lower()))


def free_token(taken: Collection[str]) -> str:
    """`sks`, or the next token that is not taken."""
    for token in TOKENS:
        if token not in taken:
            return token
    raise DataError(f"The tokens {', '.join(TOKENS)} are all in use; choose one with `token`.")


def check_token(token: str, taken: Collection[str]) -> list[Finding]:
    """What there is to say about a token.

    A token is a real word when it is one of `taken` (the nouns and prompts at hand) or one of
    COMMON_WORDS, which a text encoder has read often: the subject then starts with its meaning.

    Args:
        taken: words in lower case.
    """
    if not _TOKEN.fullmatch(token):
        text = (
            f"The token {token[:30]!r} cannot be used: it takes 2 to 16 small letters and digits,"
            f" beginning with a letter. Use {free_token(taken)!r}."
        )
        return [Finding(None, "stop", text)]
    if token in taken or token in _common_words():
        text = (
            f"The token {token!r} is a word that the backbone may know already, and its meaning"
            f" will mix with your subject. {free_token(taken)!r} means nothing yet."
        )
        return [Finding(None, "warn", text)]
    return []


def check_noun(noun: str, known_nouns: Collection[str] | None) -> list[Finding]:
    """What there is to say about a class noun.

    Args:
        known_nouns: what the backbone was trained on; None: it does not say.
    """
    letters = noun.replace(" ", "").replace("-", "").replace("'", "")
    if not letters.isalnum() or noun != noun.strip() or len(noun) > LONGEST_NOUN:
        text = (
            f"The noun {noun[:50]!r} cannot be used: it says what the subject is in letters, digits"
            f" and spaces, at most {LONGEST_NOUN} in all. Write a word such as 'dog'."
        )
        return [Finding(None, "stop", text)]
    if known_nouns is None or noun.lower() in known_nouns:
        return []
    close = nearest(noun, known_nouns)
    advice = f" Did you mean {close!r}?" if close else ""
    text = (
        f"The backbone has not seen {noun!r}. It will learn slower.{advice}"
        f" Known: {listed(sorted(known_nouns), most=12)}."
    )
    return [Finding(None, "warn", text)]


def _common_words() -> frozenset[str]:
    lines = COMMON_WORDS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
