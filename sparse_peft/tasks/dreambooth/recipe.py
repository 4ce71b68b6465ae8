"""Settings of the kinds of run: what `run.json` holds and what a preset sets; no torch."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from sparse_peft.backbones.diffusion.sampling import Sampling
from sparse_peft.backbones.source import Task
from sparse_peft.data.words.prompts import SUBJECT
from sparse_peft.errors import SpecError


@dataclass(frozen=True)
class PriorSettings:
    """Prior preservation (Ruiz et al. 2023, arXiv:2208.12242, section 3.2)."""

    pictures: int
    """class pictures that the base draws before training"""
    batch: int = 2
    """of them in each training batch"""
    weight: float = 1.0
    """of their loss against the subject's"""


@dataclass(frozen=True, kw_only=True)
class SharedDefaults:
    """What a preset says about a whole comparison."""

    judge: str | None
    """builtin, a folder, or architecture/pretrained of open_clip; none leaves the metrics empty"""
    seeds: tuple[int, ...]
    """evaluation seeds: one picture for each prompt and seed"""
    resolution: int
    """side in pixels of what is trained and drawn"""
    targets: Literal["attention", "attention+ff"]
    """which linear layers of the UNet may be tuned"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the forward and backward pass; weights stay fp32"""
    sampling: Sampling = field(default_factory=Sampling)
    prior: PriorSettings | None = None


@dataclass(frozen=True, kw_only=True)
class Shared(SharedDefaults):
    """What every run of one DreamBooth comparison has in common; a `prepare` run makes it once."""

    backbone: str
    """builtin, a hub id or a local diffusers folder"""
    noun: str
    """class noun of the subject, such as dog"""
    token: str
    """the word that stands for this one subject"""
    prompts: tuple[str, ...]
    """test prompts; {subject} stands for the token and the noun"""
    seed: int
    """of the data order, the timesteps and the noise, the same for all methods"""

    def __post_init__(self) -> None:
        if not self.prompts or not self.seeds:
            raise SpecError("a comparison needs at least one prompt and one seed")

    @property
    def subject(self) -> str:
        """Token and noun, as prompts say it."""
        return f"{self.token} {self.noun}"

    def drawn(self, prompt: str) -> str:
        """The prompt as the backbone reads it."""
        return prompt.replace(SUBJECT, self.subject)

    def plain(self, prompt: str) -> str:
        """The prompt as the judge reads it: the token says nothing to it and is left out."""
        article = re.compile(rf"\b([Aa])n? (?={re.escape(SUBJECT)})")
        fitting = article.sub(rf"\g<1>{self._article[1:]} ", prompt)
        return fitting.replace(SUBJECT, self.noun)

    @property
    def class_prompt(self) -> str:
        """An ordinary member of the class."""
        return f"{self._article} {self.noun}"

    @property
    def _article(self) -> str:
        return "an" if self.noun[0].lower() in "aeiou" else "a"


@dataclass(frozen=True, kw_only=True)
class TrainingDefaults:
    """What a preset says about training, the same for all methods."""

    steps: int
    """optimizer steps"""
    batch_size: int = 1
    """pictures of the subject in each step"""
    accumulation: int = 1
    """batches summed before each optimizer step"""
    max_grad_norm: float | None = 1.0
    """gradients of a larger common norm are scaled down to it; none leaves them"""
    schedule: Literal["constant", "cosine"] = "constant"
    """of the learning rate over the steps"""
    snr_gamma: float | None = None
    """min-SNR loss weight (Hang et al. 2023, arXiv:2303.09556); none weighs all timesteps alike"""
    sample_every: int = 100
    """steps between test pictures of the first seed"""
    checkpoint_every: int = 50
    """steps between checkpoints"""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation", "sample_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}; use 1 or more")


@dataclass(frozen=True, kw_only=True)
class Training(TrainingDefaults):
    """How one method is trained."""

    lr: float
    """learning rate: a preset has one for each method"""
    seed: int
    """of the method's own draws"""
    preset: str | None = None
    """the preset these settings came from"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lr > 0:
            raise SpecError(f"lr is {self.lr}; use a number above 0")

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class TrainSettings:
    """Everything a `train` run needs besides its inputs."""

    shared: Shared
    training: Training
    method: str
    fields: dict[str, int | float | str | bool | None]
    """the method's own settings"""
    budget: int | None = None
    """trainable values asked for; none for methods outside the budget"""
    over_budget: bool = False
    """added at its smallest size, which is above the budget"""


@dataclass(frozen=True)
class GenerateSettings:
    """A new prompt for the base and for every adapter of a comparison."""

    shared: Shared
    prompt: str
    """may hold {subject}"""
    seeds: tuple[int, ...]
    adapters: tuple[str, ...]
    """names below inputs/, one for each finished run"""


@dataclass(frozen=True)
class ProbeSettings:
    """What to find out about this machine."""

    backbone: str | None = None
    """also fetch this backbone, time one forward pass and count its tunable weights"""
    trainings: tuple[TrainSettings, ...] = ()
    """also time a few steps of each, all on that backbone, and the drawing of a test picture"""
    task: Task = "dreambooth"
    """which kind of backbone it is; a CLIP, of fewshot, is fetched and no more"""

    def __post_init__(self) -> None:
        for training in self.trainings:
            if training.shared.backbone != self.backbone:
                raise SpecError("a probe times trainings on its own backbone only")
