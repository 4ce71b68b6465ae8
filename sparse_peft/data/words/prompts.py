"""The prompts that a comparison draws: `{subject}` stands for the person's subject."""

import re
from pathlib import Path

from sparse_peft.data.findings import Finding
from sparse_peft.data.words.text import check_line, read_text
from sparse_peft.errors import DataError

SUBJECT = "{subject}"
MOST_PROMPTS = 100

PROMPTS = (  # places that the built-in backbone draws well, and any larger one too
    "a {subject} in the snow",
    "a {subject} on the beach",
    "a {subject} in the forest",
    "a {subject} in the desert",
    "a {subject} in space",
    "a {subject} at sunset",
    "a {subject} in the mountains",
    "a {subject} on the grass",
)


def read_prompts(path: Path) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The prompts of a file, one a line, and what there is to say about them.

    Blank lines and lines that begin with # are passed over.

    Raises:
        DataError: names the file and the line.
    """
    return checked_prompts(read_text(path), path)


def checked_prompts(text: str, origin: object) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The prompts of a text, one a line, as `read_prompts` has them.

    Args:
        origin: what a message says the lines are of.
    """
    prompts: dict[str, int] = {}
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        prompt = line.strip()
        where = f"{origin}, line {number}"
        if not prompt or prompt.startswith("#"):
            continue
        check_prompt(prompt, where)
        if prompt in prompts:
            raise DataError(f"{where} repeats line {prompts[prompt]}; write each prompt once.")
        prompts[prompt] = number
        if SUBJECT not in prompt:
            said = f"{where} has no {SUBJECT}: it is drawn as it stands, without your subject."
            findings.append(Finding(None, "info", said))
    if not prompts:
        raise DataError(f"{origin} has no prompts; write one a line, such as: {PROMPTS[0]}")
    if len(prompts) > MOST_PROMPTS:
        raise DataError(
            f"{origin} has {len(prompts)} prompts, at most {MOST_PROMPTS} are allowed; keep fewer."
        )
    return tuple(prompts), tuple(findings)


def check_prompt(prompt: str, where: object) -> None:
    """Return if the prompt can be drawn; DataError says why not."""
    if not prompt.strip():
        raise DataError(f"{where} is empty; write what to draw, such as: {PROMPTS[0]}")
    check_line(prompt, where)
    for name in re.findall(r"{[^{}]*}?", prompt):
        if name != SUBJECT:
            raise DataError(
                f"{where} has {name!r}; only {SUBJECT} is known, and stands for your subject."
            )
