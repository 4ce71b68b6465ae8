"""Few-shot classes: cross entropy of scaled cosines between pictures and prompts, or of a head.

Zanella and Ben Ayed 2024 (CLIP-LoRA), arXiv:2405.18541, and Mrabah et al. 2025 (SO),
arXiv:2504.12436, both train so; Radford et al. 2021 (CLIP) has the classifier. With a head: Shen et
al. 2024 (SNELL), arXiv:2411.01800, on vision backbones.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.maths.seeds import keyed_generator
from sparse_peft.tasks.fewshot.augmentation import augmented, jittered
from sparse_peft.tasks.fewshot.evaluation import cosine_logits
from sparse_peft.tasks.fewshot.features import Features
from sparse_peft.tasks.fewshot.pictures import Pictures, Squares, joined
from sparse_peft.tasks.fewshot.recipe import Classes, ClassTraining
from sparse_peft.tasks.loop import Progress


class FewShot:
    """The loss of one training; order and augmentation follow from seed and step alone.

    Args:
        shots: places of the training pictures, and with them
        labels: the number of the class that each shows.
        side: in pixels, of what the backbone sees.
        scores: class scores of what the backbone makes of pictures, or the scale of the cosines
            with the prompts that are its scores.
    """

    def __init__(
        self,
        features: Features,
        pictures: Pictures,
        shared: Classes,
        training: ClassTraining,
        shots: Sequence[int],
        labels: Sequence[int],
        side: int,
        scores: Callable[[Tensor], Tensor] | float,
    ) -> None:
        self._features, self._pictures = features, pictures
        self._shared, self._training = shared, training
        self._shots, self._labels = shots, labels
        self._side, self._scores = side, scores
        self._ahead: dict[int, Squares] = {}

    @property
    def steps_a_pass(self) -> int:
        """Optimizer steps in which every shot is seen once."""
        return -(-len(self._shots) // self._training.batch_size)

    def loss(self, step: int, micro: int) -> Float[Tensor, ""]:  # noqa: ARG002
        """Cross entropy of the step's pictures."""
        rows = self.rows(step)
        if isinstance(self._scores, float):
            texts = self._features.texts()
            logits = cosine_logits(self._seen(step, rows), texts, self._scores)
        else:
            logits = self._scores(self._seen(step, rows))
        labels = torch.tensor([self._labels[row] for row in rows], device=logits.device)
        return F.cross_entropy(logits, labels)

    def rows(self, step: int) -> list[int]:
        """Which shots a step sees: each once a pass, in a fresh random order each time."""
        number, batch = divmod(step, self.steps_a_pass)
        source = keyed_generator("order", self._training.seed, number)
        order = torch.randperm(len(self._shots), generator=source).tolist()
        size = self._training.batch_size
        return order[batch * size : (batch + 1) * size]

    def is_learned(self, progress: Progress) -> bool:
        """Whether the mean loss over the pictures of a whole pass is below `stop_below`."""
        below = self._training.stop_below
        if below is None or progress.step == 0 or progress.step % self.steps_a_pass:
            return False
        steps = range(progress.step - self.steps_a_pass, progress.step)
        total = sum(progress.all_losses[step] * len(self.rows(step)) for step in steps)
        return total / len(self._shots) < below

    def _seen(self, step: int, rows: Sequence[int]) -> Float[Tensor, "B D"]:
        if self._shared.augmentation == "none":
            places = [self._shots[row] for row in rows]
            if self._features.picture_tower_is_frozen:
                return self._features.at(places)
            return self._features.seen(self._pictures.squares(places))
        return self._features.seen(self._augmented(step))

    def _augmented(self, step: int) -> UInt8[Tensor, "B 3 s s"]:
        """The step's pictures; those of the next step are begun meanwhile."""
        squares = self._ahead.pop(step, None) or self._begun(step)
        self._ahead = {step + 1: self._begun(step + 1)}
        return joined(squares)

    def _begun(self, step: int) -> Squares:
        places = [self._shots[row] for row in self.rows(step)]
        return [self._pictures.pool.submit(self._part, step, place) for place in places]

    def _part(self, step: int, place: int) -> UInt8[Tensor, "3 s s"]:
        kind = self._shared.augmentation
        assert kind != "none"
        key = (self._training.seed, step, place)
        whole = self._pictures.whole(place)
        part = augmented(whole, self._side, kind, self._shared.smallest_crop, key)
        return jittered(part, self._shared.jitter, key) if self._shared.jitter else part
