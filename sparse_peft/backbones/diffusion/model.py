"""Stable Diffusion 1.5 and SDXL class pipelines, taken apart for training and for sampling."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn

from sparse_peft import tables
from sparse_peft.backbones.diffusion.sampling import Sampling
from sparse_peft.backbones.diffusion.source import FAMILIES
from sparse_peft.backbones.source import Source
from sparse_peft.errors import BackboneError

EVAL_SEED_OFFSET = 100_000  # never a training seed
MOST_AT_ONCE = 8  # pictures drawn together
PIXELS_AT_ONCE = 8 * 512**2  # of them: at 1024 the decoder needs gigabytes for each

Conditioning = dict[str, Tensor]
"""What one prompt becomes: "text" [T, D] and, for SDXL, "pooled" [D]."""


class Diffusion:
    """A frozen text-to-image backbone."""

    def __init__(self, pipeline: Any, source: Source, device: torch.device) -> None:
        from diffusers import DDPMScheduler

        self.pipeline, self.source, self.device = pipeline, source, device
        pipeline.set_progress_bar_config(disable=True)
        for module in pipeline.components.values():
            if isinstance(module, nn.Module):
                module.requires_grad_(False).eval().to(device)
        self.is_sdxl = FAMILIES[type(pipeline).__name__] == "sdxl"
        self.schedule = DDPMScheduler.from_config(pipeline.scheduler.config)

    @property
    def components(self) -> dict[str, nn.Module]:
        """The modules whose weights may be tuned, by name."""
        return {"unet": self.pipeline.unet}

    @property
    def resolution(self) -> int:
        """Side in pixels of the pictures the backbone was trained on."""
        return int(self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor)

    @torch.no_grad()
    def encode(
        self, pictures: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B C h w"]]:
        """Mean and standard deviation of the pictures' latents, in the UNet's scale."""
        vae = self.pipeline.vae
        posterior = vae.encode(pictures.to(self.device, vae.dtype)).latent_dist
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        scale = vae.config.scaling_factor
        return (posterior.mean - shift).float() * scale, posterior.std.float() * scale

    @torch.no_grad()
    def embed(self, prompts: Sequence[str]) -> list[Conditioning]:
        """Each prompt through the pipeline's own text encoders."""
        if self.pipeline.text_encoder is None and not self.is_sdxl:
            raise ValueError("this backbone was loaded without its text encoder")
        result = []
        for prompt in prompts:
            encoded = self.pipeline.encode_prompt(
                prompt,
                device=self.device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=False,
            )
            conditioning = {"text": encoded[0][0].float().cpu()}
            if self.is_sdxl:
                conditioning["pooled"] = encoded[2][0].float().cpu()
            result.append(conditioning)
        return result

    def negative(self) -> Conditioning:
        """What guidance steers away from: the empty prompt, or zeros where the pipeline says so."""
        empty = self.embed([""])[0]
        if self.is_sdxl and self.pipeline.config.force_zeros_for_empty_prompt:
            return {key: torch.zeros_like(value) for key, value in empty.items()}
        return empty

    def time_ids(self, original: tuple[int, int], resolution: int) -> Float[Tensor, "6"]:
        """SDXL's size conditioning: original height and width, crop corner, target size."""
        return torch.tensor([*original, 0, 0, resolution, resolution], dtype=torch.float32)

    def add_noise(
        self,
        latents: Float[Tensor, "B C h w"],
        noise: Float[Tensor, "B C h w"],
        timesteps: Int[Tensor, " B"],
    ) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B C h w"]]:
        """The noisy latents, and what the UNet should predict for them by `scheduler.config`."""
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        kind = self.schedule.config.prediction_type
        if kind == "epsilon":
            return noisy, noise
        if kind == "v_prediction":
            return noisy, self.schedule.get_velocity(latents, noise, timesteps)
        raise BackboneError(
            f"{self.source.folder}: its scheduler predicts {kind!r}; "
            "epsilon and v_prediction can be trained."
        )

    def signal_to_noise(self, timesteps: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Signal-to-noise ratio at each timestep; 0 at the last one of a zero-terminal schedule."""
        alphas: Tensor = self.schedule.alphas_cumprod.to(timesteps.device)[timesteps]
        return alphas / (1 - alphas)

    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        timesteps: Int[Tensor, " B"],
        conditioning: Mapping[str, Tensor],
    ) -> Float[Tensor, "B C h w"]:
        """The UNet's prediction; for SDXL `conditioning` also holds "pooled" and "time_ids"."""
        extra = None
        if self.is_sdxl:
            extra = {"text_embeds": conditioning["pooled"], "time_ids": conditioning["time_ids"]}
        prediction: Tensor = self.pipeline.unet(
            noisy, timesteps, conditioning["text"], added_cond_kwargs=extra, return_dict=False
        )[0]
        return prediction.float()

    @torch.no_grad()
    def sample(
        self,
        prompts: Sequence[Conditioning],
        seeds: Sequence[int],
        negative: Conditioning,
        sampling: Sampling,
        resolution: int,
    ) -> Iterator[Float[Tensor, "3 H W"]]:
        """One picture for each (prompt, seed) pair, in [-1, 1] on the CPU.

        The starting noise depends on the seed alone, so methods and prompts meet the same noise.
        The global random state is left as it was found.
        """
        with torch.random.fork_rng():
            size = at_once(resolution)
            for start in range(0, len(prompts), size):
                batch, numbers = prompts[start : start + size], seeds[start : start + size]
                yield from self._draw(batch, numbers, negative, sampling, resolution)

    def _draw(
        self,
        prompts: Sequence[Conditioning],
        seeds: Sequence[int],
        negative: Conditioning,
        sampling: Sampling,
        resolution: int,
    ) -> Float[Tensor, "B 3 H W"]:
        side = resolution // self.pipeline.vae_scale_factor
        shape = (1, self.pipeline.unet.config.in_channels, side, side)
        sources = [torch.Generator().manual_seed(EVAL_SEED_OFFSET + seed) for seed in seeds]
        noise = torch.cat([torch.randn(shape, generator=source) for source in sources])
        words = {"prompt_embeds": "text"} | (
            {"pooled_prompt_embeds": "pooled"} if self.is_sdxl else {}
        )
        arguments = {}
        for name, key in words.items():
            arguments[name] = torch.stack([p[key] for p in prompts]).to(self.device)
            arguments[f"negative_{name}"] = (
                negative[key].to(self.device).expand_as(arguments[name]).contiguous()
            )
        pictures: Tensor = self.pipeline(
            **arguments,
            latents=noise.to(self.device),
            height=resolution,
            width=resolution,
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance,
            guidance_rescale=sampling.guidance_rescale,
            generator=sources,
            output_type="pt",
        ).images
        return (pictures.float().cpu() * 2 - 1).clamp(-1, 1)


def at_once(resolution: int) -> int:
    """How many pictures of a side in pixels are drawn together."""
    return max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // resolution**2))


def load(source: Source, device: torch.device, *, with_text: bool = True) -> Diffusion:
    """The backbone in float32 on a device.

    Args:
        with_text: whether to load the text encoders; not needed where prompts are embedded.

    Raises:
        BackboneError: a file is missing or damaged.
    """
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    classes = {"StableDiffusionPipeline": StableDiffusionPipeline}
    classes["StableDiffusionXLPipeline"] = StableDiffusionXLPipeline
    parts = tables.read_json(source.folder / "model_index.json")
    left_out: dict[str, Any] = {
        name: None
        for name in ("safety_checker", "feature_extractor", "image_encoder")
        if name in parts
    }
    if "safety_checker" in parts:
        left_out["requires_safety_checker"] = False
    if not with_text:
        left_out |= {name: None for name in parts if name.startswith(("text_encoder", "tokenizer"))}
    try:
        pipeline = classes[parts["_class_name"]].from_pretrained(
            source.folder, dtype=torch.float32, use_safetensors=True, **left_out
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise BackboneError(f"{source.folder} could not be loaded: {_first_line(error)}") from error
    return Diffusion(pipeline, source, device)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
