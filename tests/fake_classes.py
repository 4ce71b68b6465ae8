"""What few-shot workers leave behind, with painted pictures and made-up answers: for tests only."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from safetensors.numpy import save_file

from sparse_peft.comparison import ClassesOutcome, RunOutcome
from sparse_peft.runs.events import EventLog

CLASSES = ("apple", "boat", "castle", "dragon", "engine", "feather", "guitar", "hammer", "island",
           "jacket", "kettle", "lantern", "mirror", "needle", "orange", "pencil", "quilt", "rocket",
           "saddle", "teapot")  # fmt: skip
NEW_CLASSES = ("umbrella", "violin", "wagon", "xylophone")
METHODS = {  # label, family, how well it learns (0: as zero-shot), support
    "lora": ("LoRA", "lora", 1.4, None),
    "waveft": ("WaveFT", "waveft", 1.2, 139_720),
    "so": ("SO", "so", 0.9, 645_000),
}
MORE = {
    "snell": ("SNELL", "snell", 1.0, 2_000_000),
    "shira": ("SHiRA", "shira", 0.8, 34_944),
    "full": ("Full", "full", 1.6, None),
    "adalora": ("AdaLoRA", "lora", 1.1, None),
    "vera": ("VeRA", "lora", 0.4, None),
    "loha": ("LoHa", "lora", 0.9, None),
    "lokr": ("LoKr", "lora", 1.3, None),
    "fourierft": ("FourierFT", "waveft", 0.7, None),
    "oft": ("OFT", "snell", 0.6, None),
    "sparse_weight": ("SparseW", "shira", 1.0, 34_944),
}
EVERY = METHODS | MORE
REFERENCES = {"zeroshot": 0.0, "linear_probe": 0.5}
STEPS = 200
SIDE = 64

Paint = Callable[[int, int], Image.Image]  # class, place -> a picture


def shape(label: int, place: int) -> Image.Image:
    """A many-sided shape that depends on its arguments alone."""
    rng = np.random.default_rng([label, place])
    ink = tuple(int(c) for c in np.random.default_rng(label).integers(40, 210, size=3))
    image = Image.new("RGB", (SIDE, SIDE), (236 - place % 7 * 6, 232, 224 - label % 5 * 8))
    centre, radius = rng.integers(24, 40, size=2), int(rng.integers(14, 24))
    box = (int(centre[0]), int(centre[1]), radius)
    ImageDraw.Draw(image).regular_polygon(box, 3 + label % 7, int(rng.integers(360)), fill=ink)
    return image


class Maker:
    """Writes the folders of a few-shot prepare run and of its train runs.

    Args:
        each: pictures of each class; `shots` of them are trained on, the rest is tested on.
        base_to_new: whether there are new classes, only tested on.
    """

    def __init__(
        self,
        root: Path,
        classes: int = 5,
        each: int = 12,
        shots: int = 4,
        seeds: tuple[int, ...] = (1, 2, 3),
        base_to_new: bool = False,
        paint: Paint = shape,
    ) -> None:
        self.root, self.each, self.shots, self.seeds, self.paint = root, each, shots, seeds, paint
        self.classes = tuple(CLASSES[i] if i < len(CLASSES) else f"kind {i}"
                             for i in range(classes))  # fmt: skip
        self.new_classes = NEW_CLASSES if base_to_new else ()
        self.draws = {seed: self._draw(seed) for seed in seeds}

    def comparison(
        self,
        methods: tuple[str, ...] = tuple(METHODS),
        references: tuple[str, ...] = ("zeroshot", "linear_probe"),
        **other: Any,
    ) -> ClassesOutcome:
        """Finished runs of all methods on all seeds, with settings replaced by `other`."""
        prepare = self.prepare(references)
        runs = tuple(self.train(name, seed) for name in methods for seed in self.seeds)
        return self.outcome(prepare=prepare, references=references, runs=runs, **other)

    def outcome(self, **other: Any) -> ClassesOutcome:
        """The settings of a comparison; without `prepare` nothing has been done yet."""
        return replace(
            ClassesOutcome(
                id="f1", task="fewshot", backbone="builtin", dataset="toys-1", title="toys",
                published=False, classes=self.classes, new_classes=self.new_classes,
                shots=self.shots, seeds=self.seeds, template="a photo of a {}.", budget=6_144,
                preset="fewshot-builtin-quick", reproduces="", references=("zeroshot",),
                command="python -m sparse_peft compare --task fewshot", runs=(),
                prepare=self.root / "prepare", prepare_state="finished", prepare_error=None,
                pictures=self.pictures(), names=self.names(),
            ),
            **other,
        )  # fmt: skip

    def pictures(self) -> dict[int, Path]:
        """The data set: every class has its pictures one after another."""
        folder = self.root / "data"
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        for place in range(self.each * (len(self.classes) + len(self.new_classes))):
            found[place] = folder / f"{place:05}.png"
            if not found[place].exists():
                self.paint(place // self.each, place).save(found[place])
        return found

    def names(self) -> dict[int, str]:
        """What the person called the pictures."""
        every = (*self.classes, *self.new_classes)
        return {place: f"{every[place // self.each]}/{place % self.each:02}.jpg"
                for place in range(self.each * len(every))}  # fmt: skip

    def prepare(self, references: tuple[str, ...] = ("zeroshot", "linear_probe")) -> Path:
        """The folder of a finished prepare run."""
        folder = self.root / "prepare"
        (folder / "predictions").mkdir(parents=True)
        (folder / "heads").mkdir()
        runs = {}
        for name in references:
            for seed in self.seeds:
                runs[f"{name}-s{seed}"] = {"accuracy": self._reference(folder, name, seed),
                                           "seconds": 0.4}  # fmt: skip
        draws = {str(seed): draw for seed, draw in self.draws.items()}
        (folder / "draws.json").write_text(json.dumps(draws))
        report = {
            "backbone": {"id": "builtin", "sha256": "cd" * 32, "title": "Built-in CLIP",
                         "note": None},
            "classes": list(self.classes), "new_classes": list(self.new_classes),
            "references": {name: {"seconds": 1.2} for name in references}, "runs": runs,
            "pictures": {str(place): f"{place:05}.png" for place in self.pictures()},
            "seconds": 12.0, "device": "CPU (x86_64), 1 thread(s)",
            "versions": {"python": "3.11.7", "torch": "2.11.0"},
        }  # fmt: skip
        (folder / "report.json").write_text(json.dumps(report))
        return folder

    def train(
        self, method: str, seed: int = 1, name: str | None = None, **other: Any
    ) -> RunOutcome:
        """One finished run of a method; `other` replaces parts of its report."""
        label, family, strength, support = EVERY[method]
        name = name or f"{method}-s{seed}"
        folder = self.root / name
        folder.mkdir()
        found = self._answers(folder, "predictions", (method, strength), seed)
        self._adapter(folder / "adapter", name, method, label)
        ink = np.random.default_rng([seed, len(method)]).integers(
            256, size=(48, 48), dtype=np.uint8
        )
        Image.fromarray(ink).save(folder / "change.png")
        report = {
            "method": method, "label": label, "family": family, "knob": "rank 1",
            "over_budget": False, "budget": 6_144,
            "settings": self.settings(seed), "fields": {"rank": 1},
            "footprint": {"active": 6_144, "stored": 6_144, "support": support,
                          "estimated": method == "so"},
            "adapter": "adapter", "adapter_bytes": 25_000, "seconds": 14.5, "step_ms": 62.0,
            "peak_mib": 210.0, "beside": 1, "stopped_at": None, "ended_at": None,
            "history": self._history(found, seed), "accuracy": found,
            "losses": [[step, 1.6 / (1 + step / (26 - 8 * strength))] for step in range(STEPS)],
            "change": "change.png", "change_target": "visual/transformer.resblocks.0.attn.q_proj",
            "device": "CPU (x86_64), 1 thread(s)",
        } | other  # fmt: skip
        (folder / "report.json").write_text(json.dumps(report))
        return self.queued(method, seed, name, state="finished", attempts=1)

    def unfinished(
        self, method: str, seed: int = 1, name: str | None = None, last: int = 120, **other: Any
    ) -> RunOutcome:
        """A run that has come to a step, measured every 50, and has no report."""
        name = name or f"{method}-s{seed}"
        folder = self.root / name
        folder.mkdir()
        log = EventLog(folder / "events.jsonl", 1)
        log.emit("stage", text="Training", done=1, of=2)
        for step in range(10, last + 1, 10):
            log.emit("step", step=step, loss=1.6 / step, lr=1e-3, step_ms=60.0)
            if step % 50 == 0:
                log.emit("checkpoint", step=step)
                log.emit("evaluation", step=step, accuracy=0.5 + step / 1000, of=STEPS)
        usual = {"state": "interrupted", "attempts": 1}
        return self.queued(method, seed, name, **usual | other)

    def queued(
        self, method: str, seed: int = 1, name: str | None = None, **other: Any
    ) -> RunOutcome:
        """A run that has left nothing yet."""
        label, family, *_ = EVERY[method]
        name = name or f"{method}-s{seed}"
        outcome = RunOutcome(
            id=name, run=f"run-{name}", folder=self.root / name, method=method, label=label,
            family=family, source="Someone 2024, arXiv:2401.00001", state="queued", error=None,
            attempts=0, command=f"python -m sparse_peft compare --task fewshot --methods {method}",
            settings=self.settings(seed), knob="rank 1",
            footprint={"active": 6_144, "stored": 6_144, "support": None, "estimated": True},
        )  # fmt: skip
        return replace(outcome, **other)

    def settings(self, seed: int) -> dict[str, Any]:
        """As a training was planned."""
        return {"lr": 1e-3, "steps": STEPS, "seed": seed, "preset": "fewshot-builtin-quick",
                "sample_every": 50, "batch_size": 32}  # fmt: skip

    def _draw(self, seed: int) -> dict[str, list[int]]:
        rng = np.random.default_rng([99, seed])
        train = [
            label * self.each + int(place)
            for label in range(len(self.classes))
            for place in sorted(rng.permutation(self.each)[: self.shots])
        ]
        learned = self.each * len(self.classes)
        test = sorted(set(range(learned)) - set(train))
        return {
            "train": train,
            "test": test,
            "new": list(range(learned, learned + self.each * len(self.new_classes))),
        }

    def _reference(self, folder: Path, name: str, seed: int) -> float:
        """What a reference leaves for one seed; its accuracy."""
        found = self._answers(
            folder / "predictions", f"{name}-s{seed}", (name, REFERENCES[name]), seed
        )
        alone = name == "zeroshot"  # it learns nothing: the same for every seed
        classifier = folder / "classifiers" / (name if alone else f"{name}-s{seed}")
        label = "Zero-shot" if alone else "Linear probe"
        self._classifier(classifier, name, name, label, "zeroshot" if alone else "head")
        if not alone:
            head = {"weight": np.zeros((len(self.classes), 8), np.float32),
                    "bias": np.zeros(len(self.classes), np.float32)}  # fmt: skip
            save_file(head, classifier / "head.safetensors")
            save_file(head, folder / "heads" / f"{name}-s{seed}.safetensors")
        return found

    def _answers(
        self,
        folder: Path,
        name: str,
        method: tuple[str, float],
        seed: int,
    ) -> float:
        """Write the answers of a method on a draw, new classes too; give the accuracy."""
        test, new = self.draws[seed]["test"], self.draws[seed]["new"]
        told = made_answers(test, self.each, len(self.classes), method, seed)
        save_file(told, folder / f"{name}.safetensors")
        if new and method[0] != "linear_probe":  # it knows the classes it was trained on alone
            first = len(self.classes)
            shifted = made_answers(new, self.each, len(self.new_classes), method, seed, first)
            save_file(shifted, folder / f"{name}-new.safetensors")
        return float((told["label"] == told["predicted"]).mean())

    def _history(self, found: float, seed: int) -> list[dict[str, Any]]:
        steps = range(50, STEPS + 1, 50)
        return [
            {"step": step, "accuracy": found - 0.1 * (1 - step / STEPS) * (1 + 0.1 * seed)}
            for step in steps
        ]

    def _adapter(self, folder: Path, run: str, method: str, label: str) -> None:
        (folder / "visual").mkdir(parents=True)
        (folder / "visual" / "values.bin").write_bytes(b"values of " + run.encode())
        (folder / "adapter.json").write_text(json.dumps({"format": 1, "method": method}))
        self._classifier(folder, run, method, label, "adapter")

    def _classifier(self, folder: Path, run: str, method: str, label: str, kind: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "format": 1, "method": method, "label": label, "run": run, "backbone": "builtin",
            "backbone_sha256": "cd" * 32, "classes": list(self.classes),
            "template": "a photo of a {}.", "scale": 100.0, "targets": "qkv", "kind": kind,
        }  # fmt: skip
        (folder / "classifier.json").write_text(json.dumps(content))


def made_answers(
    places: list[int], each: int, classes: int, method: tuple[str, float], seed: int, first: int = 0
) -> Mapping[str, np.ndarray]:
    """Answers for pictures of some classes: hard pictures are hard for every method.

    Args:
        method: its name and how well it learns; zero-shot answers alike under every seed.
        first: number of the first of the classes in the data set.
    """
    name, strength = method
    mine = [ord(letter) for letter in name] + [0 if name == "zeroshot" else seed]
    labels = np.array([place // each - first for place in places], np.int32)
    scores = np.stack([np.random.default_rng([5, place]).normal(size=classes) for place in places])
    scores = scores + 0.6 * np.random.default_rng(mine).normal(size=scores.shape)
    scores[np.arange(len(places)), labels] += 1.6 + strength
    scores[np.arange(len(places)), labels // 2 * 2 % classes] += 0.9  # two by two they look alike
    odds = np.exp(1.3 * scores)
    odds /= odds.sum(axis=1, keepdims=True)
    top = np.argsort(-odds, axis=1)[:, : min(5, classes)].astype(np.int32)
    sure = np.take_along_axis(odds, top, axis=1).astype(np.float32)
    return {
        "place": np.array(places, np.int32),
        "label": labels,
        "predicted": np.ascontiguousarray(top[:, 0]),
        "confidence": np.ascontiguousarray(sure[:, 0]),
        "top": top,
        "top_confidence": sure,
    }
