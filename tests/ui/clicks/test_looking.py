"""Looking again, and where a visit begins."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.runs.store import Store
from sparse_peft.ui.clicks.actions import Answer, perform
from sparse_peft.ui.clicks.looking import ACTIONS, first_open, first_tab
from sparse_peft.ui.desk.desk import Desk
from tests.ui.own_desk import end_all, own_desk, started


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as found:
        yield found


def test_a_look_draws_the_boards_that_it_names_once(desk: Desk) -> None:
    answer = perform(ACTIONS, desk, {"do": "look", "panels": ["strip", "matrix", "strip"]})
    assert answer == Answer(show=("strip", "matrix"))


@pytest.mark.parametrize("panels", [["../x"], ["strip", 1], "strip", None, [["strip"]], {}])
def test_a_look_knows_its_boards(desk: Desk, panels: object) -> None:
    answer = perform(ACTIONS, desk, {"do": "look", "panels": panels})
    assert answer.show == ("strip",)
    assert "panels" in answer.errors["look"]


def test_history_is_shown_as_far_back_as_asked(desk: Desk) -> None:
    for asked, rows in ((None, "50"), (100, "100"), (-4, "50"), (10**9, "10000")):
        detail = {"do": "history"} | ({} if asked is None else {"rows": asked})
        assert perform(ACTIONS, desk, detail) == Answer(("history",), view={"rows": rows})


def test_history_opens_one_row(desk: Desk) -> None:
    answer = perform(ACTIONS, desk, {"do": "history", "rename": "c1", "delete": "everything"})
    assert answer.view == {"rows": "50", "rename": "c1", "delete": "everything"}


def test_a_first_visit_begins_with_the_pictures(desk: Desk) -> None:
    assert first_tab(desk, None) is None
    assert first_open(desk).open is None


def test_the_address_decides_before_all_else(desk: Desk) -> None:
    started(desk)
    opened = Desk(desk.studio, desk.owner, "example")
    assert first_tab(opened, "methods") == "methods"
    assert first_tab(opened, None) == "compare"
    assert first_tab(opened, "everything") == "compare"
    assert first_open(opened).open == "example"


def test_a_visit_while_something_runs_begins_where_it_is_seen(desk: Desk) -> None:
    first = started(desk)
    second = started(desk, seed=3)
    assert first_tab(desk, None) == "compare"
    assert first_open(desk).open == second
    end_all(desk, second)
    assert first_open(desk).open == first
    end_all(desk, first)
    assert first_tab(desk, None) is None
    assert first_open(desk).open == second  # the newest, for when its tab is chosen


def test_nobody_begins_with_another_person_s_comparison(desk: Desk) -> None:
    started(desk)
    stranger = Desk(desk.studio, "o" + "9" * 16)
    assert first_tab(stranger, None) is None
    assert first_open(stranger).open is None
    with Store(desk.home) as store:
        assert store.comparisons(stranger.owner) == []
