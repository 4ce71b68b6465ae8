"""Base and new classes: train on one half, test on the other, as CoOp splits them."""

from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import DataError


def halves(labelled: Labelled) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The base and the new labels: the first half in order, rounded up, and the rest.

    Raises:
        DataError: there are fewer than two classes.

    Source: Zhou et al. 2022, arXiv:2203.05557, section 4.1;
        KaiyangZhou/CoOp@ff61507 datasets/oxford_pets.py:141-186.
    """
    count = len(labelled.classes)
    if count < 2:
        raise DataError(
            f"{labelled.title or 'The set'} has {count} class; base and new classes need two or"
            " more."
        )
    middle = (count + 1) // 2
    return tuple(range(middle)), tuple(range(middle, count))
