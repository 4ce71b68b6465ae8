"""DreamBooth: teach the backbone one subject (Ruiz et al. 2023, arXiv:2208.12242)."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse_peft.backbones.diffusion.model import Conditioning, Diffusion
from sparse_peft.maths.seeds import keyed_generator
from sparse_peft.tasks.dreambooth.recipe import Shared, Training


class DreamBooth:
    """The loss of one comparison; data order, timesteps and noise follow from (seed, step)."""

    def __init__(
        self,
        backbone: Diffusion,
        prepared: Mapping[str, Tensor],
        shared: Shared,
        training: Training,
    ) -> None:
        self.backbone, self.shared, self.training = backbone, shared, training
        self._tensors = {key: value.to(backbone.device) for key, value in prepared.items()}

    def loss(self, step: int, micro: int) -> Float[Tensor, ""]:
        """Mean squared error of the prediction, the prior pictures' part weighted and added."""
        batch = step * self.training.accumulation + micro
        source = keyed_generator("batch", self.shared.seed, batch)
        latents, conditioning = self._pictures(batch, source)
        own = len(latents)
        prior = self.shared.prior
        if prior is not None:
            rows = torch.randint(prior.pictures, (prior.batch,), generator=source)
            latents = torch.cat([latents, self._tensors["prior/latents"][rows]])
            conditioning = _joined(conditioning, self._repeated("prior", prior.batch))
        noise = torch.randn(latents.shape, generator=source)
        steps = self.backbone.schedule.config.num_train_timesteps
        timesteps = torch.randint(steps, (len(latents),), generator=source)
        errors = self._errors(latents, noise, timesteps, conditioning)
        if prior is None:
            return errors.mean()
        return errors[:own].mean() + prior.weight * errors[own:].mean()

    def _errors(
        self,
        latents: Float[Tensor, "B C h w"],
        noise: Float[Tensor, "B C h w"],
        timesteps: Int[Tensor, " B"],
        conditioning: Conditioning,
    ) -> Float[Tensor, " B"]:
        device = self.backbone.device
        timesteps = timesteps.to(device)
        noisy, target = self.backbone.add_noise(latents, noise.to(device), timesteps)
        prediction = self.backbone.predict(noisy, timesteps, conditioning)
        errors = (prediction - target).square().mean((1, 2, 3))
        return errors if self.training.snr_gamma is None else errors * self._weights(timesteps)

    def _weights(self, timesteps: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
        gamma = self.training.snr_gamma
        assert gamma is not None
        ratio = self.backbone.signal_to_noise(timesteps)
        velocity = self.backbone.schedule.config.prediction_type == "v_prediction"
        return ratio.clamp(max=gamma) / (ratio + 1 if velocity else ratio.clamp(min=1e-8))

    def _pictures(
        self, batch: int, source: torch.Generator
    ) -> tuple[Float[Tensor, "B C h w"], Conditioning]:
        """The next pictures, in a fresh random order each time all were seen."""
        mean, std = self._tensors["latents/mean"], self._tensors["latents/std"]
        size = self.training.batch_size
        rows = [self._row(batch * size + k, len(mean)) for k in range(size)]
        wobble = torch.randn((size, *mean.shape[1:]), generator=source).to(mean.device)
        prompts = [int(self._tensors["pictures/prompt"][row]) for row in rows]
        parts = [self._conditioning(f"training/{prompt}") for prompt in prompts]
        conditioning = {key: torch.stack([part[key] for part in parts]) for key in parts[0]}
        if self.backbone.is_sdxl:
            conditioning["time_ids"] = self._tensors["pictures/time_ids"][rows]
        return mean[rows] + std[rows] * wobble, conditioning

    def _row(self, position: int, count: int) -> int:
        source = keyed_generator("order", self.shared.seed, position // count)
        return int(torch.randperm(count, generator=source)[position % count])

    def _conditioning(self, prefix: str) -> Conditioning:
        return conditioning(self._tensors, prefix)

    def _repeated(self, prefix: str, count: int) -> Conditioning:
        one = self._conditioning(prefix)
        if self.backbone.is_sdxl:
            one["time_ids"] = self._tensors["prior/time_ids"]
        return {key: value.expand(count, *value.shape) for key, value in one.items()}


def conditioning(tensors: Mapping[str, Tensor], prefix: str) -> Conditioning:
    """One prompt's conditioning out of what `prepare` wrote."""
    names = ("text", "pooled")
    return {n: tensors[f"{prefix}/{n}"] for n in names if f"{prefix}/{n}" in tensors}


def _joined(first: Conditioning, second: Conditioning) -> Conditioning:
    return {key: torch.cat([first[key], second[key]]) for key in first}
