"""Stable Diffusion and SDXL class pipelines do what diffusers' own pipelines do."""

import os
from pathlib import Path

import pytest
import torch

from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.backbones.diffusion.sampling import Sampling
from sparse_peft.errors import BackboneError
from tests.small_models import save_sd, save_sdxl

CPU = torch.device("cpu")
SAMPLING = Sampling(steps=3, guidance=3.0)


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> diffusion.Diffusion:
    folder = save_sd(tmp_path_factory.mktemp("sd") / "model")
    return diffusion.load(source.resolve(str(folder)), CPU)


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> diffusion.Diffusion:
    folder = save_sdxl(tmp_path_factory.mktemp("sdxl") / "model")
    return diffusion.load(source.resolve(str(folder)), CPU)


def test_sd_reads_the_last_layer_of_its_text_encoder(sd: diffusion.Diffusion) -> None:
    [ours] = sd.embed(["a cat"])
    ids = sd.pipeline.tokenizer("a cat", padding="max_length", return_tensors="pt").input_ids
    theirs = sd.pipeline.text_encoder(ids).last_hidden_state[0]
    torch.testing.assert_close(ours["text"], theirs)


def test_sdxl_reads_the_penultimate_layers_and_the_pooled_embedding(
    sdxl: diffusion.Diffusion,
) -> None:
    [ours] = sdxl.embed(["a cat"])
    ids = sdxl.pipeline.tokenizer("a cat", padding="max_length", return_tensors="pt").input_ids
    first = sdxl.pipeline.text_encoder(ids, output_hidden_states=True)
    second = sdxl.pipeline.text_encoder_2(ids, output_hidden_states=True)
    both = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)[0]
    torch.testing.assert_close(ours["text"], both)
    torch.testing.assert_close(ours["pooled"], second.text_embeds[0])


def test_sdxl_is_told_the_size_of_the_picture(sdxl: diffusion.Diffusion) -> None:
    assert sdxl.time_ids((200, 100), 32).tolist() == [200, 100, 0, 0, 32, 32]
    [words] = sdxl.embed(["a cat"])
    batch = {key: value[None] for key, value in words.items()}
    noisy, time = torch.randn(1, 4, 16, 16), torch.tensor([500])
    small, large = (
        sdxl.predict(noisy, time, batch | {"time_ids": sdxl.time_ids((s, s), 32)[None]})
        for s in (32, 900)
    )
    assert not torch.equal(small, large)


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_sampling_is_the_pipelines_own(kind: str, request: pytest.FixtureRequest) -> None:
    backbone = request.getfixturevalue(kind)
    [ours] = backbone.sample(
        backbone.embed(["a cat on the grass"]), [5], backbone.negative(), SAMPLING, 32
    )
    noise = torch.Generator().manual_seed(diffusion.EVAL_SEED_OFFSET + 5)
    theirs = backbone.pipeline(
        "a cat on the grass",
        latents=torch.randn(1, 4, 16, 16, generator=noise),
        height=32,
        width=32,
        num_inference_steps=3,
        guidance_scale=3.0,
        output_type="pt",
    ).images[0]
    torch.testing.assert_close(ours, theirs * 2 - 1, atol=1e-5, rtol=0)


def test_sampling_leaves_the_global_random_state(sd: diffusion.Diffusion) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(sd.sample(sd.embed(["a cat"]), [0], sd.negative(), SAMPLING, 32))
    assert torch.equal(before, torch.get_rng_state())


def test_a_picture_does_not_depend_on_its_neighbours(sd: diffusion.Diffusion) -> None:
    words, negative = sd.embed(["a cat", "a dog", "a car"]), sd.negative()
    together = list(sd.sample(words, [0, 1, 2], negative, SAMPLING, 32))
    [alone] = sd.sample(words[1:2], [1], negative, SAMPLING, 32)
    torch.testing.assert_close(together[1], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("resolution", "together"), [(64, 8), (512, 8), (768, 3), (1024, 2), (1536, 1), (4096, 1)]
)
def test_large_pictures_are_drawn_a_few_at_a_time(resolution: int, together: int) -> None:
    assert diffusion.at_once(resolution) == together


def test_more_pictures_than_are_drawn_together_are_those_drawn_apart(
    sd: diffusion.Diffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, negative = sd.embed(["a cat", "a dog", "a car"]), sd.negative()
    together = list(sd.sample(words, [0, 1, 2], negative, SAMPLING, 32))
    monkeypatch.setattr(diffusion, "PIXELS_AT_ONCE", 2 * 32**2)
    apart = list(sd.sample(words, [0, 1, 2], negative, SAMPLING, 32))
    torch.testing.assert_close(torch.stack(together), torch.stack(apart), atol=1e-4, rtol=0)


def test_the_prediction_follows_the_scheduler(tmp_path: Path, sd: diffusion.Diffusion) -> None:
    latents, noise = torch.randn(2, 4, 16, 16), torch.randn(2, 4, 16, 16)
    time = torch.tensor([10, 999])
    assert torch.equal(sd.add_noise(latents, noise, time)[1], noise)
    folder = save_sd(tmp_path / "v", "v_prediction", zero_snr=True)
    other = diffusion.load(source.resolve(str(folder)), CPU)
    noisy, velocity = other.add_noise(latents, noise, time)
    alpha = other.schedule.alphas_cumprod[time].view(-1, 1, 1, 1)
    torch.testing.assert_close(velocity, alpha.sqrt() * noise - (1 - alpha).sqrt() * latents)
    torch.testing.assert_close(noisy[1], noise[1], atol=1e-6, rtol=0)
    assert other.signal_to_noise(time)[1].item() == pytest.approx(0, abs=1e-9)


def test_an_unknown_prediction_is_refused_in_words(tmp_path: Path) -> None:
    backbone = diffusion.load(source.resolve(str(save_sd(tmp_path / "s"))), CPU)
    backbone.schedule.register_to_config(prediction_type="sample")
    zeros = torch.zeros(1, 4, 16, 16)
    with pytest.raises(BackboneError, match="epsilon and v_prediction can be trained"):
        backbone.add_noise(zeros, zeros, torch.tensor([1]))


def test_latents_are_in_the_scale_of_the_unet(sd: diffusion.Diffusion) -> None:
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    mean, std = sd.encode(picture)
    posterior = sd.pipeline.vae.encode(picture).latent_dist
    torch.testing.assert_close(mean, posterior.mean * sd.pipeline.vae.config.scaling_factor)
    torch.testing.assert_close(std, posterior.std * sd.pipeline.vae.config.scaling_factor)


def test_without_text_encoders_the_rest_is_the_same(sd: diffusion.Diffusion) -> None:
    bare = diffusion.load(sd.source, CPU, with_text=False)
    assert bare.pipeline.text_encoder is None
    words, negative = sd.embed(["a cat"]), sd.negative()
    [whole] = sd.sample(words, [0], negative, SAMPLING, 32)
    [ours] = bare.sample(words, [0], negative, SAMPLING, 32)
    assert torch.equal(whole, ours)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_part_that_was_cut_off_is_refused_in_words(part: str, tmp_path: Path) -> None:
    folder = save_sd(tmp_path / "model")
    (path,) = (folder / part).glob("*.safetensors")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(BackboneError, match="could not be loaded"):
        diffusion.load(source.resolve(str(folder)), CPU)


def test_a_missing_part_is_refused_in_words(tmp_path: Path) -> None:
    folder = save_sd(tmp_path / "model")
    for path in (folder / "vae").glob("*.safetensors"):
        path.unlink()
    with pytest.raises(BackboneError, match="could not be loaded"):
        diffusion.load(source.resolve(str(folder)), CPU)
