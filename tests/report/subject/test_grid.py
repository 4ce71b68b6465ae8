"""grid.png: one cell a prompt and column, the pictures in their places, labelled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparse_peft import compare
from sparse_peft.report.marks import HUES, MEMBERS, identities
from sparse_peft.report.painting import mark
from sparse_peft.report.pictures import below
from sparse_peft.report.subject import grid
from tests.fake_outcome import Maker

COLOURS = {"base": (200, 30, 30), "lora": (30, 200, 30), "waveft": (30, 30, 200), "so": (9, 9, 9)}


def flat(side: int):
    def paint(method: str, prompt: int, seed: int) -> Image.Image:
        rgb = COLOURS.get(method, (128, 128, 128))
        return Image.new("RGB", (side, side), tuple(c + 5 * prompt + seed for c in rgb))

    return paint


def made(tmp_path: Path, side: int, **other) -> tuple[dict, Path]:
    (tmp_path / "runs").mkdir()
    maker = Maker(tmp_path / "runs", prompts=2, paint=flat(side))
    value = compare.write(tmp_path / "out", replace(maker.comparison(), **other))
    return value, tmp_path / "out"


@pytest.mark.parametrize(("side", "cell"), [(64, 192), (512, 192), (32, 112)])
def test_each_picture_stands_in_its_cell_at_a_legible_size(
    tmp_path: Path, side: int, cell: int
) -> None:
    value, out = made(tmp_path, side)
    image = np.array(grid.draw(value, below(out), seed=1))
    for row in range(2):
        for place, name in enumerate(("base", "lora", "waveft", "so")):
            x = grid.MARGIN + grid.LABELS + place * (cell + grid.GAP) + cell // 2
            y = grid.MARGIN + grid.HEADER + row * (cell + grid.GAP) + cell // 2
            assert tuple(image[y, x]) == tuple(c + 5 * row + 1 for c in COLOURS[name])


def test_the_first_seed_is_the_default(tmp_path: Path) -> None:
    value, out = made(tmp_path, 64)
    assert np.array_equal(grid.draw(value, below(out)), grid.draw(value, below(out), seed=0))
    assert np.array_equal(grid.draw(value, below(out)), Image.open(out / "grid.png"))


def test_a_column_without_pictures_says_why(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    maker = Maker(tmp_path / "runs", prompts=2, paint=flat(64))
    outcome = maker.comparison(methods=("lora",))
    shown = []
    for error in ("out of memory", "the loss became infinite at step 37"):
        failed = maker.queued("so", state="failed", error=error)
        value = compare.write(tmp_path / error[:3], replace(outcome, runs=(*outcome.runs, failed)))
        shown.append(np.array(grid.draw(value, below(tmp_path / error[:3]))))
    different = np.argwhere((shown[0] != shown[1]).any(axis=2))
    top, left = different.min(axis=0)
    assert left > grid.MARGIN + grid.LABELS + 2 * (192 + grid.GAP)
    assert top > grid.MARGIN + grid.HEADER


@pytest.mark.parametrize("name", list(MEMBERS))
def test_every_mark_is_drawn_in_its_colour(name: str) -> None:
    family = name if name in HUES else "lora"
    look = identities([(name, family)])[name]
    pixels = np.array(mark(look, 24))
    inked = pixels[pixels[..., 3] == 255][:, :3]
    wanted = tuple(int(look.light[i : i + 2], 16) for i in (1, 3, 5))
    assert len(inked) > 20
    assert {tuple(int(c) for c in pixel) for pixel in inked} == {wanted}


def test_every_mark_has_a_shape_of_its_own() -> None:
    looks = identities([(name, "lora") for name in MEMBERS]).values()
    drawn = {look.mark: np.array(mark(look, 24))[..., 3] > 127 for look in looks}
    for name, one in drawn.items():
        for other, two in drawn.items():
            assert name == other or (one != two).sum() > 12, (name, other)


def test_a_long_prompt_is_cut_and_stays_in_its_row(tmp_path: Path) -> None:
    long = "a photo of sks dog " + "very " * 200
    value, out = made(tmp_path, 64, prompts=(long, "W" * 300))
    image = np.array(grid.draw(value, below(out)))
    label = image[:, : grid.MARGIN + grid.LABELS]
    between = slice(grid.MARGIN + grid.HEADER + 192, grid.MARGIN + grid.HEADER + 192 + grid.GAP)
    assert (label[between] == label[0, 0]).all()
    assert (
        image[:, grid.MARGIN + grid.LABELS - 4 : grid.MARGIN + grid.LABELS] == label[0, 0]
    ).all()


def test_long_labels_and_prompts_stay_in_their_places(tmp_path: Path) -> None:
    """Of comparisons side by side a label holds the settings that tell them apart."""
    (tmp_path / "runs").mkdir()
    maker = Maker(tmp_path / "runs", prompts=2, paint=flat(64))
    outcome = maker.comparison()
    runs = tuple(replace(run, label="WWWWW rank 16, lr 0.0005") for run in outcome.runs)
    prompts = tuple("sks dog " + "and a very long word or two " * 12 for _ in range(2))
    value = compare.write(tmp_path / "out", replace(outcome, runs=runs, prompts=prompts))
    image = np.array(grid.draw(value, below(tmp_path / "out")))
    page = np.array([0xF6, 0xF5, 0xF2])
    head = image[grid.MARGIN : grid.MARGIN + 22]
    for place in range(1, 4):  # between two columns nothing is written
        x = grid.MARGIN + grid.LABELS + place * (192 + grid.GAP) - grid.GAP
        assert (head[:, x : x + grid.GAP] == page).all()
    gap = grid.MARGIN + grid.HEADER + 192
    assert (image[gap : gap + grid.GAP, : grid.MARGIN + grid.LABELS] == page).all()
