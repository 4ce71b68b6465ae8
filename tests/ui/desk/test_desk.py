"""A desk is one person's."""

from pathlib import Path

import pytest

from sparse_peft.ui.desk.desk import Desk, Studio


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Studio(tmp_path), "o1", "c1")


def test_a_desk_keeps_to_its_owners_folder(desk: Desk) -> None:
    assert desk.pictures == desk.home / "owners" / "o1" / "pictures"
    desk.change(noun="owl")
    assert desk.draft.noun == "owl"
    assert Desk(desk.studio, "o2").draft.noun == ""
