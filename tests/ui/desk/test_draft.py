"""The draft is kept at every change, whatever lies in its place."""

import threading
from pathlib import Path

import pytest

from sparse_peft.data.findings import Finding
from sparse_peft.data.pictures import Picture
from sparse_peft.ui.desk import draft as drafts
from sparse_peft.ui.desk.draft import DRAFT_FILE, Draft

PICTURE = Picture("cat.jpg", "0" * 64, 96, 80, (8, 0, 88, 80), "on the grass")


def test_a_desk_without_a_draft_has_an_empty_one(tmp_path: Path) -> None:
    assert drafts.read(tmp_path / "nowhere") == Draft()


def test_what_is_changed_is_there_after_a_restart_and_nothing_else_moves(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    drafts.change(folder, noun="cat", pictures=(PICTURE,), lr={"lora": 1e-3})
    kept = drafts.change(
        folder, stop=12, findings=(Finding("cat.jpg", "warn", "blurry"),),
        fields={"waveft": {"scaling": 10.0, "wavelet_family": "db2"}},
    )  # fmt: skip
    assert drafts.read(folder) == kept
    assert (kept.noun, kept.pictures, kept.lr, kept.stop) == ("cat", (PICTURE,), {"lora": 1e-3}, 12)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stop": "far"}', '{"of_a_later_version": 1}', '{"pictures": [{}]}']
)
def test_a_draft_that_cannot_be_read_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / DRAFT_FILE).write_text(text)
    assert drafts.read(tmp_path) == Draft()
    assert drafts.change(tmp_path, noun="owl").noun == "owl"
    assert drafts.read(tmp_path).noun == "owl"


def test_two_tabs_that_change_different_fields_lose_nothing(tmp_path: Path) -> None:
    def type_into(field: str) -> None:
        for number in range(20):
            drafts.change(tmp_path, **{field: number})

    tabs = [threading.Thread(target=type_into, args=(name,)) for name in ("seed", "stop", "steps")]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    kept = drafts.read(tmp_path)
    assert (kept.seed, kept.stop, kept.steps) == (19, 19, 19)
