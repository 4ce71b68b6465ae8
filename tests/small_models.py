"""Small random Stable Diffusion, SDXL and CLIP folders, saved as the real ones are."""

from pathlib import Path
from typing import Literal

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from sparse_peft.backbones.source import BUILTIN

Prediction = Literal["epsilon", "v_prediction"]
CONTEXT = 16
WIDTH = 32


def _text_config(width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=8192, hidden_size=width, intermediate_size=2 * width, projection_dim=width,
        num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=CONTEXT,
        bos_token_id=8190, eos_token_id=8191, pad_token_id=8191,
    )  # fmt: skip


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(
        BUILTIN / "pipeline" / "tokenizer", model_max_length=CONTEXT
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(8, 8), layers_per_block=1,
        latent_channels=4, norm_num_groups=4, sample_size=32,
    )  # fmt: skip


def _unet(cross: int, **more: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(16, 32),
        attention_head_dim=2, norm_num_groups=8, cross_attention_dim=cross, **more,
    )  # fmt: skip


def save_sd(folder: Path, prediction: Prediction = "epsilon", *, zero_snr: bool = False) -> Path:
    """A Stable Diffusion 1.5 class pipeline."""
    torch.manual_seed(0)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        clip_sample=False, prediction_type=prediction, rescale_betas_zero_snr=zero_snr,
        timestep_spacing="trailing",
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=_vae(), text_encoder=CLIPTextModel(_text_config(WIDTH)), tokenizer=_tokenizer(),
        unet=_unet(WIDTH), scheduler=scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def save_sdxl(folder: Path) -> Path:
    """An SDXL class pipeline: two text encoders, pooled embedding, size conditioning."""
    torch.manual_seed(0)
    unet = _unet(
        2 * WIDTH, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=WIDTH + 6 * 8, transformer_layers_per_block=(1, 1),
        use_linear_projection=True,
    )  # fmt: skip
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=CLIPTextModel(_text_config(WIDTH)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(WIDTH)), tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(), unet=unet, scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        ),
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder
