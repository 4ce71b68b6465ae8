"""What workers leave behind, with drawn pictures and made-up features: for tests only."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from sparse_peft.comparison import ComparisonOutcome, RunOutcome
from sparse_peft.runs.events import EventLog

PROMPTS = ("in the snow", "on a beach", "in a forest", "in space", "in a city", "at sunset")
D = 16
METHODS = {  # label, family, how near the subject, how near the prompt, support
    "lora": ("LoRA", "lora", 0.55, 0.85, None),
    "waveft": ("WaveFT", "waveft", 0.75, 0.80, 139_720),
    "so": ("SO", "so", 0.60, 0.90, 645_000),
}
MORE = {
    "snell": ("SNELL", "snell", 0.50, 0.80, 2_000_000),
    "shira": ("SHiRA", "shira", 0.45, 0.90, 34_944),
    "full": ("Full", "full", 0.90, 0.60, None),
    "adalora": ("AdaLoRA", "lora", 0.50, 0.86, None),
    "vera": ("VeRA", "lora", 0.40, 0.90, None),
    "loha": ("LoHa", "lora", 0.52, 0.84, None),
    "lokr": ("LoKr", "lora", 0.58, 0.80, None),
    "fourierft": ("FourierFT", "waveft", 0.65, 0.82, None),
    "oft": ("OFT", "snell", 0.50, 0.88, None),
    "sparse_weight": ("SparseW", "shira", 0.70, 0.84, 34_944),
}
EVERY = METHODS | MORE

Paint = Callable[[str, int, int], Image.Image]  # method, prompt, seed -> a test picture


def noise(method: str, prompt: int, seed: int) -> Image.Image:
    """A picture that depends on its arguments alone."""
    rng = np.random.default_rng([len(method), prompt, seed])
    return Image.fromarray(rng.integers(256, size=(64, 64, 3), dtype=np.uint8))


class Maker:
    """Writes the folders of a prepare run and of train runs."""

    def __init__(
        self, root: Path, prompts: int = 6, seeds: tuple[int, ...] = (0, 1, 2), paint: Paint = noise
    ) -> None:
        self.root, self.seeds, self.paint = root, seeds, paint
        self.places = PROMPTS[:prompts]
        self.rng = np.random.default_rng(7)
        self.subject, self.ordinary = self._unit(D), self._unit(D)
        self.texts = self._unit(prompts, D)

    def comparison(
        self, methods: tuple[str, ...] = tuple(METHODS), **other: Any
    ) -> ComparisonOutcome:
        """Finished runs of all methods, with settings replaced by `other`."""
        return replace(
            ComparisonOutcome(
                id="c1", task="dreambooth", backbone="builtin", noun="dog", token="sks",
                budget=34_944, prompts=self.prompts, seeds=self.seeds,
                command="python -m sparse_peft compare --noun dog", prepare=self.prepare(),
                runs=tuple(self.train(name) for name in methods), pictures=self.pictures(),
            ),
            **other,
        )  # fmt: skip

    @property
    def prompts(self) -> tuple[str, ...]:
        return tuple(f"a photo of sks dog {place}" for place in self.places)

    def pictures(self) -> tuple[tuple[Path, tuple[int, int, int, int]], ...]:
        found = []
        for number in range(3):
            path = self.root / f"person{number}.png"
            self.paint("person", number, number).resize((96, 80)).save(path)
            found.append((path, (8, 0, 88, 80)))
        return tuple(found)

    def prepare(self) -> Path:
        folder = self.root / "prepare"
        rows = self._samples(folder, "base", "base", self.seeds)
        self.base = self._features(0.2, 1.0)
        self.base_class = self._near(self.ordinary, 0.9, len(self.seeds))
        own = self._near(self.subject, 0.93, 5)
        save_file(
            {
                "pictures": own,
                "samples": self.base,
                "subjects": self.base,
                "prompts": self.texts,
                "class": self.base_class,
            },
            folder / "features.safetensors",
        )
        report = {
            "backbone": {"id": "builtin", "sha256": "ab" * 32, "title": "built-in"},
            "judge": {"id": "builtin-judge", "revision": "1"},
            "training_prompts": ["a photo of sks dog"],
            "prompts": list(self.prompts),
            "plain_prompts": [prompt.replace("sks ", "") for prompt in self.prompts],
            "seeds": list(self.seeds),
            "samples": rows,
            "seconds": 12.0,
            "device": "CPU (x86_64), 1 thread(s)",
            "versions": {"python": "3.11.7", "torch": "2.11.0"},
        }
        (folder / "report.json").write_text(json.dumps(report))
        return folder

    def train(
        self, method: str, name: str | None = None, seed: int = 0, **other: Any
    ) -> RunOutcome:
        """One finished run of a method; `other` replaces parts of the report."""
        label, family, subject, prompt, support = EVERY[method]
        name = name or method
        folder = self.root / name
        history = [
            row | {"step": step, "subject": 0.3 + step / 500, "prompt_score": 0.8}
            for step in (50, 100, 150)
            for row in self._samples(folder, f"step{step:06}", method, self.seeds[:1])
        ]
        rows = self._samples(folder, "step000200", method, self.seeds)
        drawn = self._features(subject, prompt)
        moved = self._near(self.base_class[0], 0.95, len(self.seeds))
        save_file(
            {"samples": drawn, "subjects": drawn, "class": moved},
            folder / "features.safetensors",
        )
        (folder / "adapter" / "unet").mkdir(parents=True)
        (folder / "adapter" / "unet" / "values.bin").write_bytes(b"values of " + name.encode())
        ink = self.rng.integers(256, size=(48, 48), dtype=np.uint8)
        Image.fromarray(ink).save(folder / "change.png")
        losses = [[step, 0.1 + 0.2 / (1 + step) + 0.05 * self.rng.random()] for step in range(200)]
        report = {
            "method": method, "label": label, "family": family, "knob": "rank 1",
            "over_budget": False,
            "settings": {"lr": 1e-3, "steps": 200, "seed": seed, "preset": "quick"},
            "fields": {"rank": 1},
            "footprint": {"active": 34_944, "stored": 34_944, "support": support,
                          "estimated": method == "so"},
            "adapter": "adapter", "adapter_bytes": 140_000, "seconds": 51.5, "step_ms": 231.0,
            "peak_mib": 410.0, "beside": 1, "stopped_at": None, "samples": rows,
            "history": history, "losses": losses, "change": "change.png",
            "change_target": "unet/down.to_q",
        } | other  # fmt: skip
        (folder / "report.json").write_text(json.dumps(report))
        return self.queued(method, name, seed, state="finished", attempts=1)

    def unfinished(
        self, method: str, name: str | None = None, last: int = 120, **other: Any
    ) -> RunOutcome:
        """A run that has come to a step, with pictures every 50, and has no report."""
        name = name or method
        folder = self.root / name
        folder.mkdir()
        log = EventLog(folder / "events.jsonl", 1)
        log.emit("started", device="cpu-0", run_kind="train")
        log.emit("stage", text="Training", done=1, of=3)
        for step in range(10, last + 1, 10):
            log.emit("step", step=step, loss=1.0 / step, lr=1e-3, step_ms=9.0)
            if step % 50 == 0:
                log.emit("checkpoint", step=step)
                for row in self._samples(folder, f"step{step:06}", method, self.seeds[:1]):
                    log.emit("sample", step=step, **row)
        return self.queued(method, name, **{"state": "interrupted", "attempts": 1} | other)

    def queued(
        self, method: str, name: str | None = None, seed: int = 0, **other: Any
    ) -> RunOutcome:
        """A run that has left nothing yet."""
        label, family, *_ = EVERY[method]
        name = name or method
        outcome = RunOutcome(
            id=name, run=f"run-{name}", folder=self.root / name, method=method, label=label,
            family=family, source="Someone 2024, arXiv:2401.00001", state="queued", error=None,
            attempts=0, command=f"python -m sparse_peft compare --methods {method}",
            settings={"lr": 1e-3, "steps": 200, "seed": seed, "preset": "quick",
                      "sample_every": 50}, knob="rank 1",
        )  # fmt: skip
        return replace(outcome, **other)

    def drawn(self, run: str, columns: tuple[str, ...], prompt: str, seed: int) -> Path:
        """The folder of a finished run that drew a prompt with the base and these columns."""
        folder = self.root / run
        samples = {}
        for name in ("base", *columns):
            path = f"samples/{name}/p00-s{seed}.png"
            (folder / path).parent.mkdir(parents=True)
            self.paint(name, 90 + len(samples), seed).save(folder / path)
            row = {"prompt": 0, "seed": seed, "path": path, "subject": 0.5, "prompt_score": None}
            samples[name] = [row]
        report = {"prompt": prompt, "seeds": [seed], "samples": samples}
        (folder / "report.json").write_text(json.dumps(report))
        return folder

    def _samples(
        self, folder: Path, name: str, method: str, seeds: tuple[int, ...]
    ) -> list[dict[str, Any]]:
        rows = []
        (folder / "samples" / name).mkdir(parents=True)
        for prompt in range(len(self.places)):
            for seed in seeds:
                path = f"samples/{name}/p{prompt:02}-s{seed}.png"
                self.paint(method, prompt, seed).save(folder / path)
                row = {"prompt": prompt, "seed": seed, "path": path}
                rows.append(row | {"subject": 0.5, "prompt_score": 0.5})
        return rows

    def _features(self, subject: float, prompt: float) -> np.ndarray:
        """Features between the subject and each prompt's text, by prompt, then seed."""
        count = len(self.seeds)
        at = subject * self.subject + prompt * np.repeat(self.texts, count, axis=0)
        noise = 0.12 * self.rng.normal(size=(len(at), D))
        return _normed(at + noise)

    def _near(self, to: np.ndarray, cosine: float, count: int) -> np.ndarray:
        spread = np.sqrt(1 / cosine**2 - 1) / np.sqrt(D)
        return _normed(to + spread * self.rng.normal(size=(count, D)))

    def _unit(self, *shape: int) -> np.ndarray:
        return _normed(self.rng.normal(size=shape))


def _normed(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
