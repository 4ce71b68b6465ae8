"""A noun that the backbone knows, a token that it does not."""

import pytest

from sparse_peft.data.words import names
from sparse_peft.errors import DataError

KNOWN = ("cat", "dog", "owl", "bug")


def test_the_token_is_sks_or_the_next_one_that_is_free() -> None:
    assert names.free_token(()) == "sks"
    assert names.free_token({"sks", "vfk"}) == "zwx"
    with pytest.raises(DataError, match="all in use"):
        names.free_token(names.TOKENS)


@pytest.mark.parametrize("token", names.TOKENS)
def test_our_own_tokens_mean_nothing(token: str) -> None:
    assert names.check_token(token, names.words_of(KNOWN)) == []


@pytest.mark.parametrize("token", ["dog", "owl", "luna", "beach", "the", "otterbox"])
def test_a_token_that_is_a_real_word_gets_a_warning(token: str) -> None:
    (finding,) = names.check_token(token, {"owl", "otterbox"})
    assert finding.severity == "warn"
    assert f"{token!r} is a word that the backbone may know already" in finding.text
    assert "'sks' means nothing yet" in finding.text


@pytest.mark.parametrize("token", ["", "my dog", "SKS", "x", "1ab", "söx", "{subject}", "a" * 17])
def test_a_token_that_is_no_short_word_stops(token: str) -> None:
    (finding,) = names.check_token(token, ())
    assert finding.severity == "stop"
    assert "2 to 16 small letters and digits" in finding.text


@pytest.mark.parametrize("noun", ["cat", "Dog", "OWL"])
def test_a_known_noun_passes_in_silence(noun: str) -> None:
    assert names.check_noun(noun, KNOWN) == []


def test_an_unknown_noun_gets_a_warning_that_names_known_ones() -> None:
    (finding,) = names.check_noun("otter", KNOWN)
    assert finding.severity == "warn"
    assert finding.text == (
        "The backbone has not seen 'otter'. It will learn slower. Known: bug, cat, dog, owl."
    )


def test_a_misspelt_noun_is_recognised() -> None:
    (finding,) = names.check_noun("dogg", KNOWN)
    assert "Did you mean 'dog'?" in finding.text


def test_a_backbone_that_does_not_say_what_it_knows_takes_any_noun() -> None:
    for noun in ("otter", "stuffed animal", "T-shirt", "Schäferhund", "cat's toy"):
        assert names.check_noun(noun, None) == []


@pytest.mark.parametrize("noun", ["", " ", " dog", "dog\n", "{subject}", "a" * 41, "<b>", "-"])
def test_a_noun_that_is_no_word_stops(noun: str) -> None:
    (finding,) = names.check_noun(noun, KNOWN)
    assert finding.severity == "stop"
    assert "letters, digits and spaces, at most 40" in finding.text
