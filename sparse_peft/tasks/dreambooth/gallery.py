"""Test pictures: drawn with fixed seeds, scored by the judge, written as they come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from sparse_peft.backbones.diffusion.model import Conditioning, Diffusion
from sparse_peft.backbones.judge import Judge
from sparse_peft.tasks.dreambooth.loss import conditioning
from sparse_peft.tasks.dreambooth.recipe import Shared
from sparse_peft.tasks.job import NotFinite


@dataclass(frozen=True)
class Drawn:
    """Pictures of one step: a row for each, and the judge's features in the same order."""

    rows: list[dict[str, Any]]
    features: dict[str, Tensor]
    """"samples" and "subjects", both [N, D]; empty without a judge"""


class Gallery:
    """Draws prompts with seeds, scores them and writes them below a run's folder."""

    def __init__(
        self,
        backbone: Diffusion,
        judge: Judge | None,
        shared: Shared,
        prepared: Mapping[str, Tensor],
        folder: Path,
        emit: Callable[..., None],
    ) -> None:
        self._backbone, self._judge, self._shared = backbone, judge, shared
        self._folder, self._emit = folder, emit
        self._prompts = [conditioning(prepared, f"test/{i}") for i in range(len(shared.prompts))]
        self._class = conditioning(prepared, "class")
        self._negative = conditioning(prepared, "negative")
        self._pictures = prepared.get("features/pictures")
        self._texts = prepared.get("features/prompts")

    def samples(self, step: int, name: str, seeds: Sequence[int]) -> Drawn:
        """Every test prompt with every seed, into samples/<name>/."""
        pairs = [(p, s) for p in range(len(self._prompts)) for s in seeds]
        pictures = self._draw([self._prompts[p] for p, _ in pairs], [s for _, s in pairs])
        if not all(picture.isfinite().all() for picture in pictures):
            raise NotFinite(step, what="a test picture")
        features: dict[str, Tensor] = {}
        if self._judge:
            features["samples"] = self._judge.pictures(pictures)
            features["subjects"] = self._judge.subjects(pictures)
        rows = []
        for number, ((prompt, seed), picture) in enumerate(zip(pairs, pictures, strict=True)):
            path = f"samples/{name}/p{prompt:02}-s{seed}.png"
            write_picture(self._folder / path, picture)
            row = {"prompt": prompt, "seed": seed, "path": path}
            row |= self._scores(features, number, prompt)
            self._emit("sample", step=step, **row)
            rows.append(row)
        return Drawn(rows, features)

    def class_features(self) -> Float[Tensor, "S D"] | None:
        """Features of an ordinary member of the class, one a seed: drift is measured on it."""
        if self._judge is None:
            return None
        seeds = self._shared.seeds
        return self._judge.pictures(self._draw([self._class] * len(seeds), seeds))

    def _draw(
        self, prompts: Sequence[Conditioning], seeds: Sequence[int]
    ) -> list[Float[Tensor, "3 H W"]]:
        return list(
            self._backbone.sample(
                prompts, seeds, self._negative, self._shared.sampling, self._shared.resolution
            )
        )

    def _scores(
        self, features: dict[str, Tensor], number: int, prompt: int
    ) -> dict[str, float | None]:
        if not features or self._pictures is None or self._texts is None:
            return {"subject": None, "prompt_score": None}
        with torch.autocast("cpu", enabled=False):  # which would round cosines to two digits
            return {
                "subject": float((self._pictures @ features["subjects"][number]).mean()),
                "prompt_score": float(self._texts[prompt] @ features["samples"][number]),
            }


def write_picture(path: Path, picture: Float[Tensor, "3 H W"]) -> None:
    """A picture in [-1, 1] as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = ((picture + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(array).save(path)


def read_picture(path: Path, box: tuple[int, int, int, int], side: int) -> Float[Tensor, "3 H W"]:
    """The square `box` (left, top, right, bottom) of a PNG at `side` pixels, in [-1, 1]."""
    with Image.open(path, formats=["PNG"]) as image:
        square = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS, box=box)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1) / 127.5 - 1
