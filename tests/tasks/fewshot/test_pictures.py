"""Pictures as the backbone sees them are those that open_clip makes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from torch import Tensor

from sparse_peft.data.labelled import Labelled, LabelledPicture
from sparse_peft.errors import DataError
from sparse_peft.tasks.fewshot.pictures import Kept, Pictures, as_bytes, framing, read, scaled
from tests.labelled_sets import small_set

CPU = torch.device("cpu")
BICUBIC = {"interpolation": "bicubic", "resize_mode": "shortest"}


def noise(width: int, height: int) -> Image.Image:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(90, 61), (61, 90), (32, 32)])
def test_a_square_is_the_one_that_open_clip_makes(
    mode: str, interpolation: str, size: tuple[int, int]
) -> None:
    settings: dict[str, Any] = {"interpolation": interpolation, "resize_mode": mode}
    whole = image_transform(32, is_train=False, mean=(0.5,) * 3, std=(0.5,) * 3, **settings)
    square = as_bytes(framing(32, settings)(noise(*size)))
    torch.testing.assert_close(scaled(square[None], CPU)[0], whole(noise(*size)))


def test_each_picture_is_made_once_while_there_is_room() -> None:
    asked: list[int] = []

    def make(place: int) -> Tensor:
        asked.append(place)
        return torch.full((3, 2, 2), place, dtype=torch.uint8)

    kept = Kept(make, most_bytes=24)  # two of them
    for place in (1, 2, 3, 1, 2, 3):
        assert kept.at(place).unique().tolist() == [place]
    assert asked == [1, 2, 3, 3]


def test_squares_come_in_the_order_asked_and_from_those_given(tmp_path: Path) -> None:
    labelled, folder = small_set(tmp_path)
    frame = framing(16, BICUBIC)
    plain = Pictures(labelled, folder, frame)
    made = plain.squares([4, 0, 4])
    assert torch.equal(made[0], made[2])
    expected = as_bytes(frame(Image.open(folder / labelled.pictures[0].file)))
    assert torch.equal(made[1], expected)
    white = torch.full((3, 16, 16), 255, dtype=torch.uint8)
    assert torch.equal(Pictures(labelled, folder, frame, {4: white}).squares([4])[0], white)
    assert plain.whole(2).shape == (3, 24, 24)


def test_a_set_in_place_is_read_where_it_lies(tmp_path: Path) -> None:
    noise(40, 30).save(tmp_path / "a.jpg")
    noise(20, 20).convert("L").save(tmp_path / "b.jpg", "PNG")  # names deceive
    rows = tuple(LabelledPicture(f, 0, "pool", f) for f in ("a.jpg", "b.jpg", "c.jpg"))
    labelled = Labelled(("x",), rows, "set", str(tmp_path))
    pictures = Pictures(labelled, tmp_path / "elsewhere", framing(8, BICUBIC))
    assert pictures.squares([0, 1]).shape == (2, 3, 8, 8)
    with pytest.raises(DataError, match=r"c\.jpg is missing or cannot be read"):
        pictures.squares([2])


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    noise(64, 64).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"cut\.jpg"):
        read(path)
    path.write_bytes(b"#!/bin/sh")
    with pytest.raises(DataError, match=r"cut\.jpg"):
        read(path)
