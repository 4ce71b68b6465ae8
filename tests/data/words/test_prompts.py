"""Prompts from a file, each checked where it stands."""

from pathlib import Path

import pytest

from sparse_peft.data.words.prompts import (
    MOST_PROMPTS,
    PROMPTS,
    SUBJECT,
    check_prompt,
    read_prompts,
)
from sparse_peft.errors import DataError


def prompts(tmp_path: Path, text: str | bytes) -> tuple[tuple[str, ...], list[str]]:
    path = tmp_path / "prompts.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found, findings = read_prompts(path)
    return found, [finding.text for finding in findings]


def test_one_prompt_a_line_without_blanks_and_remarks(tmp_path: Path) -> None:
    text = "# places\na {subject} in the snow\n\n  a {subject} on the beach  \r\n"
    assert prompts(tmp_path, text) == (
        ("a {subject} in the snow", "a {subject} on the beach"), []
    )  # fmt: skip


def test_a_prompt_without_the_subject_is_allowed_with_a_note(tmp_path: Path) -> None:
    found, said = prompts(tmp_path, "a {subject} in space\na dog in space\n")
    assert len(found) == 2
    assert said == [
        f"{tmp_path}/prompts.txt, line 2 has no {{subject}}: it is drawn as it stands,"
        " without your subject."
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"prompts\.txt has no prompts; write one a line, such as: a \{subject\} in the snow"),
        ("\n# only a remark\n", r"has no prompts"),
        ("a {subject}\na {subjct}", r"line 2 has '\{subjct\}'; only \{subject\} is known"),
        ("a {0} {1}", r"line 1 has '\{0\}'"),
        ("a {subject", r"line 1 has '\{subject'"),
        ("a {subject}\n\na {subject}", r"line 3 repeats line 1"),
        ("a {subject} " + "x" * 300, r"line 1 has 312 characters, at most 300"),
        ("a\x07 {subject}", r"line 1 has line breaks or control characters"),
        ("\n".join(f"a {{subject}} {n}" for n in range(101)), r"has 101 prompts, at most 100"),
        (b"\xff\xfea", r"is not text in UTF-8; save it as UTF-8"),
        (b"a {subject}\0", r"is not a text file"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_with_its_line(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        prompts(tmp_path, text)


def test_a_prompts_file_that_is_a_folder_or_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_prompts(tmp_path)
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        read_prompts(tmp_path / "nothing.txt")


@pytest.mark.parametrize("prompt", ["", "   ", "\t\n"])
def test_an_empty_prompt_stops(prompt: str) -> None:
    with pytest.raises(DataError, match=r"^--prompt is empty; write what to draw, such as: a "):
        check_prompt(prompt, "--prompt")


def test_our_own_prompts_pass_and_each_shows_the_subject(tmp_path: Path) -> None:
    assert len(PROMPTS) == 8 <= MOST_PROMPTS
    assert all(prompt.startswith(f"a {SUBJECT} ") for prompt in PROMPTS)
    assert prompts(tmp_path, "\n".join(PROMPTS)) == (PROMPTS, [])
