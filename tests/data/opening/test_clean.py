"""Any allowed picture becomes a clean PNG; every other one is refused in words."""

import time
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.clean import (
    LABELLED,
    LARGEST_SIDE,
    Decoded,
    difference_hash,
    sharpness,
    thumbnail,
)
from sparse_peft.data.opening.sandbox import Sandbox
from tests.data import hostile


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def pixels(decoded: Decoded) -> np.ndarray:
    picture = Image.open(BytesIO(decoded.png), formats=["PNG"])
    assert picture.mode == "RGB"
    assert picture.size == (decoded.width, decoded.height)
    return np.asarray(picture).astype(int)


def corners(decoded: Decoded) -> list[str]:
    """The colours near the corners: top left, top right, bottom left, bottom right."""
    picture = pixels(decoded)
    names = {"red": (255, 0, 0), "lime": (0, 255, 0), "white": (255,) * 3, "blue": (0, 0, 255)}
    places = [picture[y, x] for y in (9, -10) for x in (9, -10)]
    return [min(names, key=lambda name: np.abs(place - names[name]).sum()) for place in places]


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_what_cannot_be_used_is_refused_in_words_and_at_once(sandbox: Sandbox, name: str) -> None:
    make, words = hostile.REFUSED[name]
    data = make()
    started = time.monotonic()
    with pytest.raises(UnreadableError) as caught:
        sandbox.decode(data)
    assert words in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("GIF", {}),
    ],
)
def test_the_formats_people_have_are_decoded(
    sandbox: Sandbox, form: str, options: dict[str, object]
) -> None:
    decoded = sandbox.decode(hostile.encoded(hostile.quarters(), form, **options))
    assert (decoded.width, decoded.height, decoded.animated) == (128, 96, False)
    assert corners(decoded) == ["red", "lime", "white", "blue"]


def test_a_heic_is_decoded_and_turned_once_although_exif_says_it_again(sandbox: Sandbox) -> None:
    decoded = sandbox.decode(hostile.HEIC.read_bytes())
    assert (decoded.width, decoded.height) == (64, 96)
    assert corners(decoded) == ["white", "red", "blue", "lime"]


def test_a_phone_picture_is_turned_upright_and_forgets_its_place(sandbox: Sandbox) -> None:
    decoded = sandbox.decode(hostile.phone_jpeg())
    assert (decoded.width, decoded.height) == (96, 128)
    assert corners(decoded) == ["white", "red", "blue", "lime"]


@pytest.mark.parametrize(
    "make",
    [
        hostile.phone_jpeg,
        hostile.polyglot,
        hostile.HEIC.read_bytes,
        lambda: hostile.encoded(
            hostile.scene(), "PNG", dpi=(300, 300), icc_profile=hostile.swapped_profile()
        ),
    ],
)
def test_nothing_but_pixels_survives(sandbox: Sandbox, make: Callable[[], bytes]) -> None:
    png = sandbox.decode(make()).png
    assert set(hostile.chunks(png)) == {b"IHDR", b"IDAT", b"IEND"}
    assert png.endswith(b"IEND\xaeB`\x82")
    assert b"Secret" not in png
    assert b"PK" not in png[-200:]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_used_and_it_is_said(
    sandbox: Sandbox, form: str
) -> None:
    decoded = sandbox.decode(hostile.animated(form))
    assert decoded.animated
    assert corners(decoded) == ["red", "lime", "white", "blue"]


def test_a_second_picture_inside_a_phone_jpeg_is_no_animation(sandbox: Sandbox) -> None:
    frames = [hostile.quarters(), hostile.scene(64, 64)]
    data = hostile.encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    decoded = sandbox.decode(data)
    assert not decoded.animated
    assert corners(decoded) == ["red", "lime", "white", "blue"]


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_is_transparent_becomes_white(sandbox: Sandbox, mode: str) -> None:
    assert corners(sandbox.decode(hostile.half_transparent(mode))) == ["red", "white"] * 2


def test_sixteen_bits_keep_their_range(sandbox: Sandbox) -> None:
    row = pixels(sandbox.decode(hostile.sixteen_bit_grey()))[40]
    assert row[:, 0].tolist() == [value >> 8 for value in np.linspace(0, 65_535, 128).astype(int)]
    assert (row == row[:, :1]).all()


def test_a_cmyk_jpeg_becomes_rgb(sandbox: Sandbox) -> None:
    data = hostile.encoded(hostile.quarters().convert("CMYK"), "JPEG", quality=95)
    assert corners(sandbox.decode(data)) == ["red", "lime", "white", "blue"]


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_stays_grey(sandbox: Sandbox, mode: str) -> None:
    picture = pixels(sandbox.decode(hostile.encoded(hostile.quarters().convert(mode), "PNG")))
    assert (picture == picture[..., :1]).all()
    assert picture[-10, 9].tolist() == [255, 255, 255]


def test_colours_are_read_through_their_profile(sandbox: Sandbox) -> None:
    data = hostile.encoded(hostile.quarters(), "PNG", icc_profile=hostile.swapped_profile())
    assert corners(sandbox.decode(data)) == ["lime", "red", "white", "blue"]


def test_a_profile_that_is_garbage_is_passed_over(sandbox: Sandbox) -> None:
    data = hostile.encoded(hostile.quarters(), "PNG", icc_profile=b"not a profile" * 20)
    assert corners(sandbox.decode(data)) == ["red", "lime", "white", "blue"]


def test_a_large_picture_is_made_smaller(sandbox: Sandbox) -> None:
    for form in ("JPEG", "PNG"):
        decoded = sandbox.decode(hostile.encoded(hostile.quarters(4000, 3000), form))
        assert (decoded.width, decoded.height) == (LARGEST_SIDE, LARGEST_SIDE * 3 // 4)
        assert corners(decoded) == ["red", "lime", "white", "blue"]


def test_pictures_of_classes_may_be_small_and_are_kept_smaller() -> None:
    shapes = {(28, 28): (28, 28), (16, 90): (16, 90), (4000, 3000): (683, 512),
              (3000, 600): (2048, 410), (600, 513): (599, 512)}  # fmt: skip
    with Sandbox(sizes=LABELLED) as sandbox:
        for shape, kept in shapes.items():
            decoded = sandbox.decode(hostile.encoded(hostile.quarters(*shape), "JPEG"))
            assert (decoded.width, decoded.height) == kept
        with pytest.raises(UnreadableError, match="15 x 15 is too small, at least 16 x 16"):
            sandbox.decode(hostile.encoded(hostile.quarters(15, 15), "PNG"))
        with pytest.raises(UnreadableError, match="16 x 97 is too long"):
            sandbox.decode(hostile.encoded(hostile.quarters(16, 97), "PNG"))


def test_pixels_beyond_the_announced_size_are_never_unpacked(sandbox: Sandbox) -> None:
    decoded = sandbox.decode(hostile.data_bomb_png())
    assert (decoded.width, decoded.height) == (128, 96)


def test_sharpness_falls_below_the_bound_when_a_picture_is_blurred() -> None:
    picture = hostile.scene(512, 512)
    assert sharpness(picture) > 200
    assert sharpness(picture.filter(ImageFilter.GaussianBlur(8))) < 40


def test_the_hash_of_a_changed_copy_is_near_and_of_another_picture_far() -> None:
    picture = hostile.scene(512, 384)
    copies = [picture.resize((256, 192)), picture.point(lambda value: value * 7 // 8)]
    original = difference_hash(picture)
    assert all((original ^ difference_hash(copy)).bit_count() <= 6 for copy in copies)
    other = difference_hash(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert (original ^ other).bit_count() > 12


def test_the_thumbnail_is_the_picture_in_grey_row_by_row(sandbox: Sandbox) -> None:
    decoded = sandbox.decode(hostile.encoded(hostile.quarters(), "PNG"))
    grey = np.frombuffer(decoded.thumbnail, dtype=np.uint8).reshape(32, 32)
    assert np.unique(grey[:15, :15]).tolist() == [76]  # red
    assert np.unique(grey[17:, :15]).tolist() == [255]  # white
    assert decoded.thumbnail == thumbnail(hostile.quarters())
