"""Try learning rates on subjects that are not the examples.

    python scripts/draw_examples.py DIR --set tuning
    python scripts/tune_presets.py --work DIR lora=1e-3,2e-3 waveft=3e-4 so=1e-2

One line for each method and rate: subject and prompt fidelity over prompts that no preset shows,
and drift. The rates in presets/ were read off these lines: high subject fidelity that keeps most of
the base's prompt fidelity, near the middle of the range that does.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from sparse_peft import presets, tables
from sparse_peft.backbones import judge, source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.data.subject import Subject
from sparse_peft.data.words.captions import read_captions
from sparse_peft.methods.method import Plan
from sparse_peft.planning import lora_rank_one, sized
from sparse_peft.tasks import device
from sparse_peft.tasks.dreambooth import prepare
from sparse_peft.tasks.dreambooth.gallery import Gallery
from sparse_peft.tasks.dreambooth.loss import DreamBooth
from sparse_peft.tasks.dreambooth.recipe import Shared, Training
from sparse_peft.tasks.loop import Progress, fit

PROMPTS = (
    "a {subject} in the city",
    "a {subject} on a checkered floor",
    "a {subject} wearing a top hat in the snow",
    "a {subject} wearing a crown on the grass",
    "a photo of a {subject} at sunset",
    "a photo of a {subject} in the mountains",
)
SEED = 7


class QuietJob:
    """A prepare run without a worker."""

    device, attempt, beside = "cpu", 1, 0

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self.settings = folder, settings

    def emit(self, kind: str, **fields: Any) -> None: ...

    def should_stop(self) -> None: ...

    def report(self, value: dict[str, Any]) -> None:
        (self.folder / "report.json").write_text(json.dumps(value))


class Trial:
    """One subject, prepared once, on which settings are tried one after the other."""

    def __init__(self, pictures: Path, preset: presets.Preset) -> None:
        self.preset = preset
        self.source = source.resolve("builtin")
        self.shapes = source.shapes(self.source, preset.shared.targets)
        self.folder = Path(tempfile.mkdtemp())
        subject = self._subject(pictures)
        defaults = tables.table(preset.shared) | {"seeds": [0]}
        own = {"backbone": "builtin", "noun": subject.noun, "token": subject.token, "seed": SEED}
        self.shared = tables.build(Shared, defaults | own | {"prompts": list(PROMPTS)}, "trial")
        prepare.run(QuietJob(self.folder, tables.table(self.shared)))  # type: ignore[arg-type]
        self.prepared = load_file(self.folder / "shared.safetensors")
        self.base = load_file(self.folder / "features.safetensors")

    def _subject(self, pictures: Path) -> Subject:
        decoded = self.folder / "decoded"
        decoded.mkdir()
        names = [path.name for path in pictures.glob("*.png")]
        assert read_captions(pictures / "captions.txt", names)
        subject, _ = Subject.from_folder(
            pictures, pictures.name, decoded, captions=pictures / "captions.txt", wanted_side=64
        )
        subject.save(decoded, self.folder / "data").rename(self.folder / "inputs")
        return subject

    def scores(self, name: str, lr: float, steps: int, ranks: float) -> dict[str, float]:
        """Train once and measure."""
        cpu = torch.device("cpu")
        torch.manual_seed(SEED)
        backbone = diffusion.load(self.source, cpu, with_text=False)
        budget = round(ranks * lora_rank_one(self.shapes))
        method, _ = sized(name, self.preset, budget, self.shapes, allow_over=False)
        defaults = tables.table(self.preset.training) | {"steps": steps, "sample_every": steps}
        training = tables.build(Training, defaults | {"lr": lr, "seed": SEED}, "trial")
        attachment = method.attach(backbone.components, list(self.shapes), Plan(steps, SEED))
        accelerator = device.accelerator("cpu", self.shared.precision)
        progress = Progress()
        fit(
            DreamBooth(backbone, self.prepared, self.shared, training),
            attachment, training, accelerator, progress,
            emit=lambda *_, **__: None, should_stop=lambda: None, save=lambda _: None,
            sample=lambda _: None,
        )  # fmt: skip
        gallery = Gallery(
            backbone, judge.load("builtin", cpu), self.shared, self.prepared, self.folder,
            lambda *_, **__: None,
        )  # fmt: skip
        with accelerator.autocast():
            drawn = gallery.samples(steps, f"{name}-{lr:g}", (0,))
            ordinary = gallery.class_features()
        assert ordinary is not None
        mean = {
            key: sum(row[key] for row in drawn.rows) / len(drawn.rows)
            for key in ("subject", "prompt_score")
        }
        drift = (1 - (ordinary * self.base["class"]).sum(1)).mean().item()
        return mean | {"drift": drift, "step_ms": progress.median_step_ms or 0.0}

    def base_scores(self) -> dict[str, float]:
        """The base's."""
        subject = (self.base["subjects"] @ self.base["pictures"].T).mean().item()
        prompt = (self.base["samples"] * self.base["prompts"]).sum(1).mean().item()
        return {"subject": subject, "prompt_score": prompt}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--subject", default="dog")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--ranks", type=float, default=4, help="budget in LoRA ranks")
    parser.add_argument("trials", nargs="+", help="METHOD=LR,LR,...")
    options = parser.parse_args()
    torch.set_num_threads(1)
    preset = presets.preset(options.preset, "dreambooth", "builtin")
    trial = Trial(options.work / options.subject, preset)
    print("base", _words(trial.base_scores()), trial.folder, flush=True)
    for text in options.trials:
        name, _, rates = text.partition("=")
        for rate in rates.split(","):
            scores = trial.scores(name, float(rate), options.steps, options.ranks)
            print(f"{name:7} lr {float(rate):<8g}", _words(scores), flush=True)


def _words(scores: Mapping[str, float]) -> str:
    return "  ".join(f"{key} {value:.3f}" for key, value in scores.items())


if __name__ == "__main__":
    main()
