"""WaveFT in a diffusers script: five pictures teach a UNet a subject.

    python -m examples.diffusers_dreambooth
    python -m examples.diffusers_dreambooth --model FOLDER --pictures my_dog --prompt "a sks dog"

FOLDER holds a pipeline of the Stable Diffusion 1.5 class as diffusers saves it; without it the
built-in one is used. It prints how many values are trained, the loss before and after, where the
adapter lies, and the loss once plain PEFT has opened it. A picture is drawn beside the adapter.
"""

import argparse
from pathlib import Path

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from peft import PeftModel, get_peft_model
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import center_crop, pil_to_tensor, resize

from sparse_peft import WaveFTConfig
from sparse_peft.backbones.source import BUILTIN

CAT = Path(__file__).parent / "subjects" / "cat"
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
BATCH = 4
DRAWS = 8  # batches behind a printed loss
TRAINING_SEED, LOSS_SEED = 0, 1


def latents(pipeline: StableDiffusionPipeline, folder: Path) -> Tensor:
    """The pictures of a folder as the UNet sees them."""
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    pictures = []
    for path in sorted(folder.glob("*.png")):
        picture = pil_to_tensor(Image.open(path).convert("RGB"))
        pictures.append(center_crop(resize(picture, [side]), [side]) / 127.5 - 1)
    encoded = pipeline.vae.encode(torch.stack(pictures).to(pipeline.device)).latent_dist
    return encoded.mean * pipeline.vae.config.scaling_factor


def noise_loss(
    unet: torch.nn.Module, schedule: DDPMScheduler, clean: Tensor, text: Tensor
) -> Tensor:
    """How far the UNet is from what its schedule wants predicted at random times."""
    clean = clean[torch.randint(len(clean), (BATCH,))]
    times = torch.randint(schedule.config.num_train_timesteps, (BATCH,), device=clean.device)
    noise = torch.randn_like(clean)
    wanted = noise
    if schedule.config.prediction_type == "v_prediction":
        wanted = schedule.get_velocity(clean, noise, times)
    noisy = schedule.add_noise(clean, noise, times)
    predicted = unet(noisy, times, text.expand(BATCH, -1, -1)).sample
    return F.mse_loss(predicted, wanted)


@torch.no_grad()
def fixed_loss(
    unet: torch.nn.Module, schedule: DDPMScheduler, clean: Tensor, text: Tensor
) -> float:
    """The mean loss over draws that are the same at every call."""
    torch.manual_seed(LOSS_SEED)
    losses = [noise_loss(unet, schedule, clean, text) for _ in range(DRAWS)]
    return torch.stack(losses).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Teach a UNet a subject with WaveFT.")
    parser.add_argument("--model", type=Path, default=BUILTIN / "pipeline")
    parser.add_argument("--pictures", type=Path, default=CAT, help="a folder of PNG files")
    parser.add_argument("--prompt", default="a sks cat")
    parser.add_argument("--coefficients", type=int, default=1296, help="of each weight")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("outputs/waveft_cat"))
    asked = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline = StableDiffusionPipeline.from_pretrained(asked.model, dtype=torch.float32).to(device)
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    with torch.no_grad():
        clean = latents(pipeline, asked.pictures)
        text, _ = pipeline.encode_prompt(asked.prompt, device, 1, False)

    waveft = WaveFTConfig(n_frequency=asked.coefficients, target_modules=ATTENTION)
    unet = get_peft_model(pipeline.unet, waveft)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=2e-3)
    unet.print_trainable_parameters()

    before = fixed_loss(unet, schedule, clean, text)
    torch.manual_seed(TRAINING_SEED)
    for _ in range(asked.steps):
        noise_loss(unet, schedule, clean, text).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = fixed_loss(unet, schedule, clean, text)
    print(f"loss {before:.4f} -> {after:.4f} in {asked.steps} steps")

    unet.save_pretrained(asked.out)
    size = (asked.out / "adapter_model.safetensors").stat().st_size
    print(f"{asked.out}: {size / 1024:.0f} KiB")
    fresh = UNet2DConditionModel.from_pretrained(asked.model / "unet").to(device)
    again = PeftModel.from_pretrained(fresh, asked.out)  # PEFT's own layers
    print(f"loss when plain PEFT opens it {fixed_loss(again, schedule, clean, text):.4f}")
    pipeline.set_progress_bar_config(disable=True)
    # The UNet was adapted in place, so the pipeline has it.
    picture = pipeline(asked.prompt, num_inference_steps=20).images[0]
    picture.save(asked.out / "picture.png")


if __name__ == "__main__":
    main()
