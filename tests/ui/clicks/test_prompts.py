"""Prompts are read back as they were shown, whatever a person makes of them."""

import pytest

from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.errors import DataError
from sparse_peft.ui.clicks.prompts import shown_prompts, typed_prompts

SHOWN = [
    ("a {subject} in the snow", "your dog in the snow"),
    ("A {subject} at sea", "Your dog at sea"),
    ("a photo of a {subject}'s bed", "a photo of your dog's bed"),
    ("two of {subject} and an {subject}", "two of {subject} and an {subject}"),
    ("a dog", "a dog"),
    ("a sea {subject}", "a sea {subject}"),
]


@pytest.mark.parametrize(("file", "shown"), SHOWN)
def test_prompts_are_shown_and_read_back_the_same(file: str, shown: str) -> None:
    assert shown_prompts((file,), "dog") == shown
    assert typed_prompts(shown, "dog") == (file,)


def test_the_usual_prompts_survive_being_edited_whatever_the_noun() -> None:
    for noun in ("dog", "teddy bear", "c++", "", "ärmel"):
        assert typed_prompts(shown_prompts(PROMPTS, noun), noun) == PROMPTS


@pytest.mark.parametrize(
    ("typed", "file"),
    [
        ("a your dog in the snow", "a {subject} in the snow"),
        ("YOUR DOG asleep", "A {subject} asleep"),
        ("an your  dog".replace("  ", " "), "a {subject}"),
        ("your dogs", "your dogs"),
        ("your cat", "your cat"),
        ("your subject on a boat", "a {subject} on a boat"),
        ("\n  your dog \n\n# not drawn\n", "a {subject}"),
    ],
)
def test_what_is_typed_is_read_with_care(typed: str, file: str) -> None:
    assert typed_prompts(typed, "dog") == (file,)


def test_no_prompts_are_the_usual_ones_and_wrong_ones_name_their_line() -> None:
    assert typed_prompts(" \n ", "dog") == ()
    with pytest.raises(DataError, match=r"Prompts, line 3 repeats line 1"):
        typed_prompts("your dog\nyour dog at sea\na your dog", "dog")
    with pytest.raises(DataError, match=r"Prompts, line 1 has '\{noun\}'"):
        typed_prompts("a {noun}", "dog")
