"""What a browser asks for is done or answered by a sentence at its field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.errors import RunError, SpecError
from sparse_peft.ui.clicks.actions import Action, Answer, FieldError, on_page, perform
from sparse_peft.ui.desk.desk import Desk, Studio


@dataclass(frozen=True)
class Turn:
    """What the browser sends."""

    stop: int


def turn(desk: Desk, asked: Turn) -> Answer:
    if asked.stop > 48:
        raise SpecError("--budget is too large.")
    if asked.stop < 0:
        raise FieldError("--noun is missing.", "noun", "pictures")
    return Answer(show=("methods",), said=f"{desk.owner} turned to {asked.stop}")


ACTIONS = {"turn": Action(Turn, turn, "budget", ("methods",))}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Studio(tmp_path), "o1", "c1")


def test_an_action_gets_what_it_asks_for_and_no_more(desk: Desk) -> None:
    answer = perform(ACTIONS, desk, {"do": "turn", "stop": 3, "open": "c1"})
    assert answer == Answer(show=("methods",), said="o1 turned to 3")


@pytest.mark.parametrize(
    "asked",
    [{}, {"stop": "3"}, {"stop": None}, {"stop": 3.5}, {"stop": 3, "owner": "o2"}, {"stop": [[]]}],
)
def test_what_no_page_of_ours_sends_is_a_sentence_at_the_field(
    desk: Desk, asked: dict[str, Any]
) -> None:
    answer = perform(ACTIONS, desk, {"do": "turn", **asked})
    assert answer.show == ("methods",)
    assert answer.errors["budget"].startswith("page")


@pytest.mark.parametrize("name", ["fly", None, 3, ["turn"], "__class__"])
def test_an_action_that_there_is_not_is_refused(desk: Desk, name: object) -> None:
    with pytest.raises(SpecError, match="which there is not"):
        perform(ACTIONS, desk, {"do": name})


def test_a_mistake_is_told_at_the_actions_field(desk: Desk) -> None:
    answer = perform(ACTIONS, desk, {"do": "turn", "stop": 50})
    assert (answer.errors, answer.tab) == ({"budget": "budget is too large."}, None)


def test_a_mistake_at_another_field_is_told_there_and_its_tab_is_opened(desk: Desk) -> None:
    answer = perform(ACTIONS, desk, {"do": "turn", "stop": -1})
    assert (answer.errors, answer.tab) == ({"noun": "noun is missing."}, "pictures")


def test_sentences_of_the_command_line_lose_their_dashes() -> None:
    words = "--train-seeds is 0; a-b--c and -- stay, --budget 5 does not."
    assert on_page(RunError(words)) == "train seeds is 0; a-b--c and -- stay, budget 5 does not."
