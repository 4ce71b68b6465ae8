"""Nobody sees, names or stops what is somebody else's, nor learns that it is there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.errors import RunError
from sparse_peft.ui.clicks.doing import ACTIONS
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk
from tests.ui.own_desk import BOB, act, own_desk, plan_of, started, states

# Every action that names something, with what it names.
NAMING: list[tuple[str, dict[str, Any]]] = [
    ("stop", {"comparison": "C"}),
    ("stop", {"run": "R"}),
    ("resume", {"comparison": "C"}),
    ("resume", {"run": "R"}),
    ("halve", {"run": "R"}),
    ("open", {"comparison": "C"}),
    ("rename", {"comparison": "C", "name": "mine now"}),
    ("again", {"comparison": "C"}),
    ("more_seeds", {"comparison": "C"}),
    ("draw", {"comparison": "C", "prompt": "your cat"}),
    ("merge", {"comparison": "C", "run": "R"}),
    ("delete", {"comparison": "C"}),
    ("join", {"comparisons": ["C", "C"]}),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


def test_every_action_that_names_something_is_tried_here() -> None:
    assert {do for do, _ in NAMING} == set(ACTIONS) - {"start", "forget_all"}


@pytest.mark.parametrize(("do", "asked"), NAMING)
def test_what_is_anothers_is_refused_in_the_words_for_what_is_not_there(
    desk: Desk, do: str, asked: dict[str, Any]
) -> None:
    comparison = started(desk)
    run = plan_of(desk, comparison).runs[0].run
    bob = Desk(desk.studio, BOB)

    def said(comparison: str, run: str) -> str:
        filled = {key: {"C": comparison, "R": run}.get(value, value) if isinstance(value, str)
                  else [comparison for _ in value] for key, value in asked.items()}  # fmt: skip
        answer = act(bob, do, **filled)
        assert answer.open is None
        (sentence,) = answer.errors.values()
        assert sentence.startswith(("There is no comparison ", "There is no run "))
        return sentence.replace(comparison, "?").replace(run, "?")

    there, nowhere = said(comparison, run), said("no-such-thing", "no-such-thing")
    assert there == nowhere
    assert states(desk, comparison) == ["queued"] * 4
    assert bob.draft.pictures == ()


def test_what_is_open_is_looked_at_like_what_is_named(desk: Desk) -> None:
    comparison = started(desk)
    bob = Desk(desk.studio, BOB, comparison)
    for do in ("stop", "resume", "again", "more_seeds", "delete", "open"):
        assert "There is no comparison" in str(act(bob, do).errors)
    assert "There is no comparison '' here." in str(act(desk, "delete").errors)


def test_a_name_that_no_page_sends_is_cut_short_and_quoted(desk: Desk) -> None:
    with pytest.raises(RunError) as caught:
        mine.comparisons(desk, "<b>\n" + "x" * 500)
    assert str(caught.value) == f"There is no comparison {'<b>' + chr(10) + 'x' * 36!r} here."
    with pytest.raises(RunError, match="There is no comparison"):
        mine.comparison(desk, "../")


def test_several_side_by_side_are_each_ones_own(desk: Desk) -> None:
    first, second = started(desk), started(desk, seed=1)
    assert mine.comparisons(desk, f"{first}+{second}+{first}") == (first, second)
    with pytest.raises(RunError, match="Several comparisons are open side by side"):
        mine.comparison(desk, f"{first}+{second}")
    with pytest.raises(RunError, match="There is no comparison 'x' here"):
        mine.comparisons(desk, f"{first}+x")


def test_one_and_several_are_opened(desk: Desk) -> None:
    first, second = started(desk), started(desk, stop=30)
    assert mine.opened(desk, first).id == first
    both = mine.opened(replace(desk, open=None), f"{first}+{second}")
    assert both.id == f"{first}+{second}"
    assert len(both.runs) == 6
