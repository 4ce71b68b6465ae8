"""Settings of the few-shot task: what its runs hold and what its presets set; no torch."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from sparse_peft.backbones.vision.view import View
from sparse_peft.errors import SpecError

TASK: Final = "fewshot"
ZERO_SHOT, LINEAR_PROBE = "zeroshot", "linear_probe"
CLASSIFIER = "classifier.json"  # the card in every folder that classifies
MERGED = "merged"  # folder of a merge run's output
SCRIPT = "classify_folder.py"  # a few lines without us beside a merged checkpoint
TOP = 5  # guesses kept for each picture
TEMPLATE = "a photo of a {}."
CLASS = "{}"  # stands for the class in a template
TOWERS = ("visual", "text")

Learned = Literal["pool", "train", "val"]  # splits that a training may draw from
Tested = Literal["test", "val"]


@dataclass(frozen=True, kw_only=True)
class ClassesDefaults:
    """What a preset says about a whole few-shot comparison."""

    targets: str
    """which linear layers may be tuned: qkv, attention, attention+mlp or packed, all of them in
    both towers; with :visual or :text after it in that tower alone"""
    template: str = TEMPLATE
    """what CLIP reads for each class; {} stands for its name"""
    augmentation: Literal["none", "crop", "crop+flip"] = "crop+flip"
    """what happens to a training picture each time: crop takes a random part of it, crop+flip also
    mirrors every other one, which is wrong for letters, digits and signs; none shows it whole"""
    smallest_crop: float = 0.08
    """least share of a training picture's area that a random part of it has"""
    scale: float | None = None
    """cosines are multiplied by it; none takes the backbone's own, at most 100"""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """of the forward and backward pass; weights stay fp32; fp16 only where CUDA is, fp32 else"""
    jitter: float = 0.0
    """brightness, contrast and saturation of a training picture change by at most this share"""
    view: View | None = None
    """of a vision backbone: how it is shown a picture, if not as its own settings say"""
    cls_token: bool = False
    """whether a vision backbone's class token is trained beside the head, where it has one"""
    drop_path: float = 0.0
    """of a vision backbone: share of the last block's branches that training leaves out"""

    def __post_init__(self) -> None:
        check_template(self.template)
        for name in ("jitter", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}; use 0 to below 1.")
        if not 0 < self.smallest_crop <= 1:
            raise SpecError(f"smallest_crop is {self.smallest_crop}; use above 0 to 1.")
        if self.scale is not None and not self.scale > 0:
            raise SpecError(f"scale is {self.scale}; use a number above 0.")


@dataclass(frozen=True, kw_only=True)
class Classes(ClassesDefaults):
    """What every run of one few-shot comparison has in common; a `prepare` run makes it once."""

    backbone: str
    """builtin, a folder, a file, ARCHITECTURE/PRETRAINED of open_clip, or timm:NAME"""
    classes: tuple[str, ...]
    """those that are learned, in the order of their numbers"""
    new_classes: tuple[str, ...] = ()
    """those only tested on, apart from the others: base-to-new (Zhou et al. 2022, CoCoOp)"""
    labels: tuple[int, ...] = ()
    """the numbers in the data set of classes, then of new_classes"""
    shots: int | None
    """training pictures of each class; none: all that there are"""
    seeds: tuple[int, ...]
    """each a draw of the shots, and the seed of the trainings on it"""
    learn_from: tuple[Learned, ...] = ("pool", "train")
    """the splits whose pictures may be trained on"""
    evaluate: Tested = "test"
    """the split that is tested on; what was not drawn from a pool is tested on too"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise SpecError(f"seeds is {list(self.seeds)}; name one or more, each once.")
        if len(self.labels) != len(self.classes) + len(self.new_classes):
            raise SpecError("labels must name each class once")

    def prompts(self, *, new: bool = False) -> tuple[str, ...]:
        """What CLIP reads: one prompt a class."""
        names = self.new_classes if new else self.classes
        return tuple(self.template.replace(CLASS, name) for name in names)


@dataclass(frozen=True, kw_only=True)
class ClassTrainingDefaults:
    """What a preset says about training, the same for all methods."""

    steps_per_shot: int | None = None
    """optimizer steps for each shot; either this or epochs"""
    epochs: int | None = None
    """passes over the training pictures"""
    least_steps: int = 1
    """optimizer steps at least"""
    most_steps: int | None = None
    """optimizer steps at most; none: no limit"""
    batch_size: int = 32
    """pictures in each step"""
    max_grad_norm: float | None = None
    """gradients of a larger common norm are scaled down to it; none leaves them"""
    schedule: Literal["constant", "cosine"] = "cosine"
    """of the learning rate over the steps"""
    lr_end: float = 1e-6
    """where a cosine ends"""
    warmup: float = 0.0
    """share of the steps in which the learning rate rises to its height"""
    warmup_lr: float = 1e-6
    """where it begins to rise"""
    head_lr: float | None = None
    """learning rate of a vision backbone's head; none: the method's own"""
    head_weight_decay: float = 0.0
    """decoupled, of AdamW on the weight of the head"""
    stop_below: float | None = None
    """training ends once the mean loss of a pass over the pictures is below this; none: never"""
    evaluations: int = 4
    """how often the held-out accuracy is measured on the way, the end included"""
    checkpoint_every: int = 50
    """steps between checkpoints"""

    def __post_init__(self) -> None:
        if (self.steps_per_shot is None) == (self.epochs is None):
            raise SpecError("give steps_per_shot or epochs, one of the two.")
        for name in ("steps_per_shot", "epochs", "least_steps", "batch_size", "evaluations",
                     "checkpoint_every"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SpecError(f"{name} is {value}; use 1 or more.")
        _check_warmup(self.warmup)

    def steps(self, shots: int, pictures: int | None = None) -> int:
        """Optimizer steps for that many shots.

        Args:
            pictures: all that are trained on; known, unless the recipe counts no epochs.

        Raises:
            SpecError: it does, and they are not known.
        """
        if self.epochs is None:
            steps = (self.steps_per_shot or 1) * shots
        elif pictures is not None:
            steps = self.epochs * -(-pictures // self.batch_size)
        else:
            raise SpecError("this recipe counts epochs: its steps follow from the pictures.")
        steps = max(self.least_steps, steps)
        return steps if self.most_steps is None else min(steps, self.most_steps)


@dataclass(frozen=True, kw_only=True)
class ClassTraining:
    """How one method is trained on one draw."""

    lr: float
    """learning rate: a preset has one for each method"""
    seed: int
    """of the draw, of the order of the pictures, and of the method's own draws"""
    steps: int
    """optimizer steps"""
    batch_size: int = 32
    """pictures in each step"""
    max_grad_norm: float | None = None
    """gradients of a larger common norm are scaled down to it; none leaves them"""
    schedule: Literal["constant", "cosine"] = "cosine"
    """of the learning rate over the steps"""
    lr_end: float = 1e-6
    """where a cosine ends"""
    warmup: float = 0.0
    """share of the steps in which the learning rate rises to its height"""
    warmup_lr: float = 1e-6
    """where it begins to rise"""
    head_lr: float | None = None
    """learning rate of a vision backbone's head; none: the method's own"""
    head_weight_decay: float = 0.0
    """decoupled, of AdamW on the weight of the head"""
    stop_below: float | None = None
    """training ends once the mean loss of a pass over the pictures is below this; none: never"""
    sample_every: int = 100
    """steps between measurements of the held-out accuracy"""
    checkpoint_every: int = 50
    """steps between checkpoints"""
    preset: str | None = None
    """the preset these settings came from"""

    accumulation = 1  # one batch a step

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise SpecError(f"lr is {self.lr}; use a number above 0.")
        if self.steps < 1:
            raise SpecError(f"steps is {self.steps}; use 1 or more.")
        if self.head_lr is not None and not self.head_lr > 0:
            raise SpecError(f"head_lr is {self.head_lr}; use a number above 0.")
        _check_warmup(self.warmup)

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        Source: a warm-up within a cosine of all steps, as timm's CosineLRScheduler; by step, where
            timm's scripts change it once an epoch.
        """
        rise = self.warmup * self.steps
        if step < rise:
            return self.warmup_lr + (self.lr - self.warmup_lr) * step / rise
        if self.schedule == "constant":
            return self.lr
        falls = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.lr_end + (self.lr - self.lr_end) * falls


@dataclass(frozen=True)
class ClassPrepareSettings:
    """Everything a few-shot `prepare` run needs besides its inputs."""

    shared: Classes
    references: tuple[str, ...]
    """of zeroshot and linear_probe, those to compute"""


@dataclass(frozen=True)
class ClassTrainSettings:
    """Everything a few-shot `train` run needs besides its inputs."""

    shared: Classes
    training: ClassTraining
    method: str
    fields: dict[str, int | float | str | bool | None]
    """the method's own settings"""
    budget: int | None = None
    """trainable values asked for; none for methods outside the budget"""
    over_budget: bool = False
    """added at its smallest size, which is above the budget"""


@dataclass(frozen=True)
class ClassifySettings:
    """Pictures for zero-shot CLIP and for every classifier of a comparison."""

    pictures: tuple[str, ...]
    """names below inputs/pictures/"""
    classifiers: tuple[str, ...]
    """names of folders below inputs/, each with a classifier.json"""


@dataclass(frozen=True)
class MergeSettings:
    """An adapter that is to become an ordinary checkpoint of open_clip or timm."""

    classifier: str
    """name of the folder below inputs/"""


def _check_warmup(share: float) -> None:
    if not 0 <= share < 1:
        raise SpecError(f"warmup is {share}; use 0 to below 1, a share of the steps.")


def check_template(template: str) -> None:
    """Return if a template names the class exactly once.

    Raises:
        SpecError: it does not.
    """
    if template.count(CLASS) != 1 or not template.isprintable():
        raise SpecError(
            f"template is {template!r}; write one line with {CLASS} once where the class stands, "
            f"such as {TEMPLATE!r}."
        )
