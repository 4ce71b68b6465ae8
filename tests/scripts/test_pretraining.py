"""The stages of pretraining: exact where they can be, resumable, and what they ship loads."""

import json
import sys
from pathlib import Path

import numpy as np
import pretrain_builtin
import pytest
import torch
from pretraining import (
    clip,
    convert,
    fewshot,
    objects,
    pool,
    ship,
    subject_head,
    training,
    vae,
    words,
)
from pretraining.scenes import Scene
from torch.nn import functional as F

from sparse_peft.backbones import judge, source
from sparse_peft.backbones.clip import model as clips
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.backbones.diffusion import source as diffusion_source
from sparse_peft.backbones.diffusion.sampling import Sampling

CPU = torch.device("cpu")
TEXTS = [
    "a red cat in the snow",
    "",
    "a photo of an owl's TOP hat!",
    "a zqx teapot wearing a crown",
]


@pytest.fixture
def small_pool(tmp_path: Path) -> Path:
    """Noise in the place of pictures, where only the arithmetic matters."""
    rng = np.random.default_rng(0)
    for name in ("known", "wide", "fresh"):
        rows = rng.integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
        np.save(tmp_path / f"{name}.npy", rows)
    return tmp_path


def plainly_true(shown: Scene, said: Scene) -> bool:
    if said.noun != shown.noun:
        return False
    for name in ("colour", "pattern", "accessory", "place"):
        claim = getattr(said, name)
        if claim is not None and claim != getattr(shown, name):
            return False
    return True


def test_matches_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    shown = [
        Scene(
            str(rng.choice(["cat", "dog"])), "", str(rng.choice(["red", "blue"])), None,
            None if rng.random() < 0.5 else "a crown", str(rng.choice(["in space", "at sunset"])),
        )
        for _ in range(40)
    ]  # fmt: skip
    said = [clip.partly(scene, rng) for scene in shown]
    found = clip.matches(shown, said)
    expected = [[plainly_true(a, b) for b in said] for a in shown]
    assert found.tolist() == expected
    assert found.diagonal().all()
    assert 40 < found.sum() < 40 * 40


def test_contrast_with_one_true_caption_each_is_clips_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = (F.normalize(torch.randn(6, 8, generator=generator)) for _ in range(2))
    scale, labels = torch.tensor(7.0), torch.arange(6)
    logits = scale * image @ text.T
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    torch.testing.assert_close(clip.contrast(image, text, torch.eye(6), scale), expected)


@pytest.mark.parametrize("name", ["clip", "judge"])
def test_both_tokenizers_give_the_same_ids(name: str, tmp_path: Path) -> None:
    folder = words.folder_of(tmp_path, name)
    theirs, ours = words.for_open_clip(folder), words.for_transformers(folder)
    end = words.VOCABULARY[name] - 1
    assert len(ours) == words.VOCABULARY[name] == theirs.vocab_size
    for text in [*TEXTS, "sks", "a photo of an orange backpack wearing sunglasses at sunset " * 3]:
        ids = ours(text, truncation=True).input_ids
        row = theirs([text])[0].tolist()
        assert row[: len(ids)] == ids
        assert ids[0] == end - 1
        assert ids[-1] == end
        assert set(row[len(ids) :]) <= {0}


@torch.no_grad()
def test_the_converted_text_tower_gives_open_clips_features(tmp_path: Path) -> None:
    tower = words.random_clip("clip").eval()
    converted = convert.text_model(tower).eval()
    ids = words.for_open_clip(words.folder_of(tmp_path, "clip"))(TEXTS)
    hidden = converted(ids).last_hidden_state
    assert hidden.shape == (len(TEXTS), words.CONTEXT, 192)
    at_end = hidden[torch.arange(len(TEXTS)), ids.argmax(1)]
    expected = tower.encode_text(ids)
    torch.testing.assert_close(at_end @ tower.text_projection, expected, rtol=1e-5, atol=1e-6)
    padded = words.for_transformers(words.folder_of(tmp_path, "clip"))(
        TEXTS, padding="max_length", return_tensors="pt"
    ).input_ids  # other padding: what stands before the end must not see it
    seen = converted(padded).last_hidden_state
    for row, end in enumerate(ids.argmax(1).tolist()):
        torch.testing.assert_close(seen[row, : end + 1], hidden[row, : end + 1])


class Interrupted(training.Training):
    """Saves at every step and is stopped before step 3."""

    def steps(self, save_every: int):  # noqa: ARG002
        yield from super().steps(1)

    def descend(self, loss: torch.Tensor) -> None:
        if self.step == 3:
            raise KeyboardInterrupt
        super().descend(loss)


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_bits(
    small_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(name: str) -> None:
        vae.train(small_pool, 4, 6, CPU, decoder_only=False, name=name)

    train("whole")
    monkeypatch.setattr(vae, "Training", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("halved")
    monkeypatch.undo()
    assert torch.load(small_pool / "halved.pt", weights_only=True)["step"] == 3
    train("halved")
    whole, halved = (
        torch.load(small_pool / f"{name}.pt", weights_only=True) for name in ("whole", "halved")
    )
    assert whole["step"] == halved["step"] == 6
    for part in ("module", "average"):
        assert whole[part].keys() == halved[part].keys()
        for key, value in whole[part].items():
            assert torch.equal(value, halved[part][key]), key
    for number, moments in whole["optimizer"]["state"].items():
        for key, value in moments.items():
            assert torch.equal(value, halved["optimizer"]["state"][number][key])


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 2)
    run = training.Training("broken", tmp_path, module, 1e-3, 10, 0.9)
    with pytest.raises(FloatingPointError, match="broken: the loss is nan at step 0"):
        run.descend(module(torch.full((1, 2), torch.nan)).sum())


def test_the_learning_rate_warms_up_and_falls_to_its_floor() -> None:
    rates = [training.cosine(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[99] == 1
    assert rates[550] == pytest.approx(0.02 + 0.98 * 0.5, abs=1e-3)
    assert training.cosine(1000, 1000) == pytest.approx(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("shapes")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_all_stages_make_a_backbone_that_loads_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, shipped = tmp_path / "work", tmp_path / "shipped"
    pool.draw_pool(work, known=60, wide=10, fresh=30, processes=1)
    rows, shown = pool.load_pool(work, "known")
    assert rows.shape == (60, 64, 64, 3)
    picture, scene = pool.known_picture(pool.KNOWN_SEED, 7)
    assert np.array_equal(rows[7], picture)
    assert shown[7] == scene
    monkeypatch.setattr(pretrain_builtin, "WEIGHTS", shipped)
    for name, value in (("CHARACTERS", 40), ("STEPS", 2), ("BATCH", 16)):
        monkeypatch.setattr(subject_head, name, value)
    for stage in ("vae", "clip", "judge", "unet", "decoder", "ship"):
        arguments = ["pretrain_builtin.py", stage, "--work", str(work), "--steps", "2"]
        monkeypatch.setattr(sys, "argv", arguments)
        pretrain_builtin.main()

    files = [path for path in shipped.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40_000_000
    assert max(path.stat().st_size for path in files) < 10_500_000
    card = json.loads((shipped / "card.json").read_text())
    assert card["unet_pictures"] == 48
    for room in (source, diffusion_source, judge):
        monkeypatch.setattr(room, "BUILTIN", shipped)
    found = source.resolve("builtin")
    assert "cat" in found.known_nouns
    backbone = diffusion.load(found, CPU)
    latents = torch.load(work / "latents.pt", weights_only=True)
    assert backbone.pipeline.vae.config.scaling_factor == pytest.approx(1 / latents["std"].item())
    assert latents["latents"].float().std().item() == pytest.approx(1, abs=1e-2)
    sampling = Sampling(steps=2, guidance=2.0, guidance_rescale=0.5)
    [picture] = backbone.sample(backbone.embed(["a cat"]), [0], backbone.negative(), sampling, 64)
    assert picture.shape == (3, 64, 64)
    assert torch.isfinite(picture).all()
    features = judge.load("builtin", CPU).pictures([picture])
    torch.testing.assert_close(features.norm(dim=1), torch.ones(1))


def test_a_shortened_tokenizer_cuts_what_it_was_made_for_as_the_whole_one(tmp_path: Path) -> None:
    folder = words.folder_of(tmp_path, "fewshot")
    texts = ["a photo of a jack-o-lantern", "an owl in a TOP hat in the snow"]
    rows = words.shortened(folder, texts, tmp_path / "short")
    whole, short = words.for_open_clip(folder), words.for_open_clip(tmp_path / "short")
    assert len(rows) < words.VOCABULARY["fewshot"] / 4
    for text in [*texts, "snow owl hat"]:
        expected = [number for number in whole([text])[0].tolist() if number]
        assert [rows[number] for number in short([text])[0].tolist() if number] == expected
    assert (short(["a zebra"])[0] == len(rows) - 1).any()  # any word can be read, and ends


def test_the_few_shot_clip_learns_nothing_of_what_it_is_tested_on() -> None:
    assert not set(objects.MANY) & set(objects.HELD_OUT + objects.TUNING)
    known = {objects.noun(character) for character in objects.MANY}
    assert len(known) == len(objects.MANY)
    unseen = {objects.noun(character) for character in objects.HELD_OUT + objects.TUNING}
    assert not unseen & {word for noun in known for word in noun.split()}


def test_matches_of_the_few_shot_clip_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    shown = [
        Scene(str(rng.choice(["cat", "dog"])), "", str(rng.choice(["red", "blue"])), None, None,
              "in space")
        for _ in range(30)
    ]  # fmt: skip
    said = [clip.partly(scene, rng) for scene in shown]
    found = fewshot._matches(shown, said)
    assert found.tolist() == [[float(plainly_true(a, b)) for b in said] for a in shown]


@pytest.mark.slow
def test_the_few_shot_clip_is_trained_and_shipped_as_a_backbone(tmp_path: Path) -> None:
    work, target = tmp_path / "work", tmp_path / "weights"
    pool.draw_pool(work, known=40, wide=2, fresh=8, processes=1)
    fewshot.train(work, 2, CPU)
    ship.ship_fewshot(work, target)
    shipped = clips.load(clip_source.resolve(str(target / "classes/clip")), CPU)
    trained = words.trained_clip(work, "fewshot").eval()
    texts = ["a cat", "a red dog in the snow"]
    tokenize = words.for_open_clip(words.folder_of(work, "fewshot"))
    with torch.no_grad():
        expected = trained.encode_text(tokenize(texts), normalize=True)
        found = shipped.texts(shipped.tokens(texts))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-2)  # shipped in half precision
    card = json.loads((target / "classes/card.json").read_text(encoding="utf-8"))
    assert card["pictures"] == 2 * fewshot.BATCH
