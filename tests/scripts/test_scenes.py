"""What pretraining draws, and what it says about it."""

import numpy as np
import pytest
from PIL import Image
from pretraining import objects, places, pool, scenes
from pretraining.unet import said

from tests.scripts.conftest import drawn_shape

LUMINANCE = np.array([0.299, 0.587, 0.114])


def rng(number: int = 0) -> np.random.Generator:
    return np.random.default_rng(number)


def random_scenes(count: int) -> list[scenes.Scene]:
    source = rng()
    return [scenes.random_scene(source) for _ in range(count)]


def test_a_caption_says_what_the_scene_shows_and_nothing_else() -> None:
    for number, scene in enumerate(random_scenes(400)):
        words = scenes.caption(scene, rng(number)).split()
        text = " ".join(words)
        assert scene.noun in text
        for known, shown in (
            (objects.COLOURS, scene.colour),
            (objects.PATTERNS, scene.pattern),
            (objects.ACCESSORIES, scene.accessory),
            (places.PLACES, scene.place),
        ):
            for word in known:
                assert (f" {word} " in f" {text} ") == (word == shown), (text, word)


def test_a_caption_can_leave_the_place_out_and_carry_a_token() -> None:
    for number, scene in enumerate(random_scenes(200)):
        text = scenes.caption(scene, rng(number), place=False, token="zwx")
        assert f"zwx {scene.noun}" in text
        assert scene.place is None or scene.place not in text


def test_the_article_fits_the_next_word() -> None:
    apple = scenes.Scene("apple", "🍎")
    assert scenes.caption(apple, rng()).endswith("an apple")
    assert scenes.caption(scenes.Scene("cat", "🐱", colour="orange"), rng()).endswith(
        "an orange cat"
    )
    assert scenes.caption(apple, rng(), token="zwx").endswith("a zwx apple")


def test_the_shares_of_captions_are_those_that_are_stated() -> None:
    scene, source = scenes.Scene("cat", "🐱", place="in space"), rng()
    texts = [said(scene, source) for _ in range(4000)]
    spoken = [text for text in texts if text]
    assert 1 - len(spoken) / len(texts) == pytest.approx(0.10, abs=0.02)
    assert np.mean(["in space" not in text for text in spoken]) == pytest.approx(0.12, abs=0.02)
    plain = ("a cat", "a photo of a cat")
    tokened = [not text.removesuffix(" in space").endswith(plain) for text in spoken]
    assert np.mean(tokened) == pytest.approx(0.25, abs=0.03)


class Letters:
    """Gives out chosen letters in the place of random ones."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)

    def integers(self, high: int, size: int) -> list[int]:
        assert (high, size) == (20, 3)
        return ["bcdfghjklmnpqrstvwxz".index(letter) for letter in self._words.pop(0)]


def test_the_nonsense_word_is_never_the_one_left_for_a_subject() -> None:
    assert scenes.nonsense(Letters("sks", "sks", "vkf")) == "vkf"  # type: ignore[arg-type]
    source = rng()
    words = {scenes.nonsense(source) for _ in range(60_000)}
    assert len(words) > 7900  # of 20^3 - 1: so many draws meet nearly all
    assert "sks" not in words
    assert all(len(word) == 3 for word in words)


def test_held_out_objects_never_occur_in_known_scenes() -> None:
    drawn = random_scenes(3000)
    assert {scene.character for scene in drawn} == set(objects.KNOWN)
    held_out = {objects.noun(character) for character in objects.HELD_OUT}
    assert len(held_out) >= 10
    assert not held_out & {scene.noun for scene in drawn}
    everything = objects.KNOWN + objects.HELD_OUT + objects.EXTRA
    assert len(set(everything)) == len(everything)
    named = objects.KNOWN + objects.HELD_OUT
    assert len({objects.noun(character) for character in named}) == len(named)


def test_only_faces_wear_sunglasses() -> None:
    wearers = {scene.noun for scene in random_scenes(20_000) if scene.accessory == "sunglasses"}
    assert wearers == objects.FACES


@pytest.mark.usefixtures("shapes")
def test_the_same_number_gives_the_same_picture() -> None:
    pictures = []
    for number in (0, 1, 2, 0):
        picture, scene = pool.known_picture(pool.KNOWN_SEED, number)
        again, same_scene = pool.known_picture(pool.KNOWN_SEED, number)
        assert np.array_equal(picture, again)
        assert scene == same_scene
        pictures.append(np.asarray(picture))
    assert np.array_equal(pictures[0], pictures[3])
    assert not np.array_equal(pictures[0], pictures[1])
    fresh, _ = pool.known_picture(pool.FRESH_SEED, 0)
    assert not np.array_equal(fresh, pictures[0])
    for number in range(8):
        assert np.array_equal(pool.wide_picture(number), pool.wide_picture(number))


@pytest.mark.usefixtures("shapes")
def test_every_place_and_every_kind_of_scene_is_a_picture_of_its_own() -> None:
    seen = set()
    for place in (*places.PLACES, None):
        picture = scenes.draw(scenes.Scene("cat", "🐱", place=place), rng())
        assert picture.size == (64, 64)
        seen.add(picture.tobytes())
    for change in (
        {"colour": "red"},
        {"pattern": "spotted"},
        {"pattern": "striped"},
        {"accessory": "a crown"},
        {"accessory": "sunglasses"},
    ):
        seen.add(scenes.draw(scenes.Scene("cat", "🐱", **change), rng()).tobytes())
    assert len(seen) == 16


def test_tinting_keeps_dark_dark_and_light_light_and_the_outline() -> None:
    before = drawn_shape("🐱")
    for rgb in objects.COLOURS.values():
        after = objects.tinted(before, rgb)
        old, new = (np.asarray(p, dtype=np.float64) for p in (before, after))
        assert np.array_equal(old[..., 3], new[..., 3])
        inside = old[..., 3] == 255
        was, now = (p[inside][:, :3] @ LUMINANCE for p in (old, new))
        assert now[was < 10].max() < 20  # eyes
        assert now[was > 245].min() > 235  # highlights
        body = np.abs(was - np.median(was)) < 1
        np.testing.assert_allclose(new[inside][body][:, :3].mean(0), rgb, atol=2)


def test_a_pattern_covers_the_body_and_spares_the_eyes() -> None:
    before = np.asarray(drawn_shape("🐱"))
    for pattern in objects.PATTERNS:
        after = np.asarray(objects.patterned(drawn_shape("🐱"), pattern, (250, 250, 250), rng()))
        dark = (before[..., :3].max(-1) == 0) & (before[..., 3] == 255)
        assert np.array_equal(after[dark], before[dark])
        assert (after != before).any(-1).mean() > 0.05
        assert np.array_equal(after[..., 3], before[..., 3])


@pytest.mark.usefixtures("shapes")
def test_an_accessory_makes_the_sprite_taller_and_lies_inside_it() -> None:
    for accessory in objects.ACCESSORIES:
        worn = objects.wearing(objects.sprite("🐱"), accessory)
        assert worn.size == (128, 168)
        bare = Image.new("RGBA", worn.size)
        bare.paste(objects.sprite("🐱"), (0, 40))
        assert not np.array_equal(worn, bare)


def test_the_objects_to_learn_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "KNOWN", objects.KNOWN)  # put back afterwards
    objects.learn("🐱🐶")
    assert {scene.noun for scene in random_scenes(50)} == {"cat", "dog"}
    for wrong in ("", "🐱🐱", "🐱" + objects.HELD_OUT[0]):
        with pytest.raises(ValueError, match="not a list of different, not held-out emoji"):
            objects.learn(wrong)
