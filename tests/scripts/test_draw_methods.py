"""The pictures of the methods are what their own code draws, and there is one of each."""

import re
from pathlib import Path

import draw_methods
import pytest

from sparse_peft.methods import all_methods

CELLS = draw_methods.SIDE**2
NEARLY_ALL = CELLS - 4  # squares whose shade another processor's rounding may move


def shades(svg: str) -> dict[tuple[int, int], str]:
    """The opacity of each square that is not blank."""
    found = {}
    for opacity, squares in re.findall(r'fill-opacity="([\d.]+)" d="([^"]+)"', svg):
        for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", squares):
            found[int(x), int(y)] = opacity
    return found


def test_there_is_one_of_each_and_no_other() -> None:
    kept = {path.stem for path in draw_methods.FOLDER.glob("*.svg")}
    assert kept == set(all_methods())


@pytest.mark.parametrize("name", sorted(all_methods()))
def test_a_picture_is_what_the_method_changes(name: str) -> None:
    kept = (draw_methods.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    drawn = draw_methods.svg(draw_methods.change(all_methods()[name]))
    one, other = shades(kept), shades(drawn)
    cells = [(x, y) for x in range(draw_methods.SIDE) for y in range(draw_methods.SIDE)]
    assert sum(one.get(cell) == other.get(cell) for cell in cells) >= NEARLY_ALL
    assert "currentColor" in kept
    assert len(kept) < 3000


def test_low_rank_is_everywhere_and_sparse_is_not() -> None:
    covered = {
        name: len(shades((draw_methods.FOLDER / f"{name}.svg").read_text(encoding="utf-8")))
        for name in ("lora", "waveft", "so")
    }
    assert covered["lora"] > 0.95 * CELLS
    assert covered["so"] < covered["waveft"] < 0.7 * CELLS


def test_drawing_all_writes_a_file_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw_methods, "FOLDER", tmp_path / "maps")
    draw_methods.main()
    assert {path.stem for path in (tmp_path / "maps").iterdir()} == set(all_methods())
