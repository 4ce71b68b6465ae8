"""The DreamBooth loss against a plain twin, and what makes a comparison fair."""

from pathlib import Path

import pytest
import torch

from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.maths.seeds import keyed_generator
from sparse_peft.tasks.dreambooth import prepare
from sparse_peft.tasks.dreambooth.loss import DreamBooth, conditioning
from sparse_peft.tasks.dreambooth.recipe import Training
from tests.small_models import save_sd
from tests.tasks.local_job import LocalJob, inputs, small_shared

CPU = torch.device("cpu")
Prepared = tuple[diffusion.Diffusion, dict[str, torch.Tensor], Path]


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    from safetensors.torch import load_file

    scratch = tmp_path_factory.mktemp("dreambooth")
    velocity = request.param == "v_prediction"
    model = save_sd(scratch / "model", request.param, zero_snr=velocity)
    job = LocalJob(scratch / "run", small_shared(model, seeds=(0,)))
    inputs(job.folder, scratch)
    prepare.run(job)
    backbone = diffusion.load(source.resolve(str(model)), CPU, with_text=False)
    return backbone, load_file(job.folder / "shared.safetensors"), model


def task(prepared: Prepared, seed: int = 0, **changes: object) -> DreamBooth:
    backbone, tensors, model = prepared
    training = Training(**{"lr": 1.0, "steps": 9, "seed": 0, "batch_size": 2} | changes)  # type: ignore[arg-type]
    return DreamBooth(backbone, tensors, small_shared(model, seed=seed), training)


def test_the_loss_is_the_mean_squared_error_of_the_prediction(prepared: Prepared) -> None:
    backbone, tensors, model = prepared
    shared = small_shared(model, prior=None)
    ours = DreamBooth(backbone, tensors, shared, Training(lr=1.0, steps=9, seed=0))
    draw = keyed_generator("batch", 0, 0)
    row = int(torch.randperm(3, generator=keyed_generator("order", 0, 0))[0])
    mean, std = tensors["latents/mean"][row], tensors["latents/std"][row]
    latent = (mean + std * torch.randn((1, *mean.shape), generator=draw)[0])[None]
    noise = torch.randn(latent.shape, generator=draw)
    time = torch.randint(1000, (1,), generator=draw)
    alpha = backbone.schedule.alphas_cumprod[time].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * noise
    epsilon = backbone.schedule.config.prediction_type == "epsilon"
    wanted = noise if epsilon else alpha.sqrt() * noise - (1 - alpha).sqrt() * latent
    words = tensors["training/0/text"][None]
    got = backbone.pipeline.unet(noisy, time, words, return_dict=False)[0]
    torch.testing.assert_close(ours.loss(0, 0), (got - wanted).square().mean())


def test_a_batch_depends_on_the_seed_and_its_number_alone(prepared: Prepared) -> None:
    first = task(prepared).loss(3, 0)
    again = task(prepared)
    again.loss(0, 0)
    torch.manual_seed(99)
    assert torch.equal(again.loss(3, 0), first)
    assert not torch.equal(again.loss(4, 0), first)
    assert not torch.equal(task(prepared, seed=1).loss(3, 0), first)


def test_every_picture_is_seen_before_one_is_seen_again(prepared: Prepared) -> None:
    ours = task(prepared)
    for epoch in range(4):
        assert {ours._row(3 * epoch + k, 3) for k in range(3)} == {0, 1, 2}


def test_the_weight_of_the_prior_counts(prepared: Prepared) -> None:
    backbone, tensors, model = prepared
    losses = []
    for weight in (0.0, 1.0, 2.0):
        shared = small_shared(model)
        assert shared.prior is not None
        changed = small_shared(model, prior=type(shared.prior)(2, 1, weight))
        training = Training(lr=1.0, steps=9, seed=0)
        losses.append(DreamBooth(backbone, tensors, changed, training).loss(0, 0))
    torch.testing.assert_close(losses[2] - losses[1], losses[1] - losses[0])
    assert losses[1] > losses[0]


def test_min_snr_weighs_as_the_paper_says(prepared: Prepared) -> None:
    weights = task(prepared, snr_gamma=5.0)._weights(torch.tensor([0, 500, 999]))
    backbone = prepared[0]
    alpha = backbone.schedule.alphas_cumprod[torch.tensor([0, 500, 999])].double()
    ratio = alpha / (1 - alpha)
    epsilon = backbone.schedule.config.prediction_type == "epsilon"
    expected = ratio.clamp(max=5) / (ratio.clamp(min=1e-8) if epsilon else ratio + 1)
    torch.testing.assert_close(weights.double(), expected, rtol=1e-4, atol=1e-6)


def test_a_prompts_conditioning_is_found_by_its_name(prepared: Prepared) -> None:
    assert set(conditioning(prepared[1], "class")) == {"text"}
