"""A cookie stands for an owner, and says nothing else."""

import re

import pytest
from gradio.route_utils import Obj

from sparse_peft.ui.shell import owners


def test_tokens_are_128_random_bits() -> None:
    tokens = {owners.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)


def test_an_owner_follows_from_the_token_and_does_not_tell_it() -> None:
    token = "0123456789abcdef" * 2
    assert owners.owner_of(token) == "o3eb1bd439947eb76"  # sha256sum of those 32 letters
    assert owners.owner_in({owners.COOKIE: token, "other": "1"}) == owners.owner_of(token)


@pytest.mark.parametrize(
    "token", ["", "x", "0" * 31, "0" * 33, "g" * 32, "A" * 32, "0" * 32 + "\n", "../" + "0" * 29]
)
def test_a_malformed_token_is_none(token: str) -> None:
    assert owners.token_in({owners.COOKIE: token}) is None
    assert owners.owner_in({owners.COOKIE: token}) is None


def test_no_cookie_is_nobody() -> None:
    assert owners.owner_in({}) is None


def test_the_cookies_that_gradio_gives_are_read_too() -> None:
    token = owners.new_token()
    cookies = Obj({owners.COOKIE: token, "get": "hides a method", "keys": "another"})
    assert owners.owner_in(cookies) == owners.owner_of(token)
    assert owners.owner_in(Obj({})) is None


def test_the_cookie_on_this_computer_goes_to_no_other_site() -> None:
    parts = owners.cookie("0" * 32, secure=False).split("; ")
    assert parts == [
        f"{owners.COOKIE}={'0' * 32}", "Max-Age=31536000", "Path=/", "HttpOnly", "SameSite=Strict",
    ]  # fmt: skip


def test_the_cookie_of_https_works_in_a_frame() -> None:
    parts = owners.cookie("0" * 32, secure=True).split("; ")
    assert parts[3:] == ["HttpOnly", "SameSite=None", "Secure", "Partitioned"]
