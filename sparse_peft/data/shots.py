"""Shots: the few pictures of each class that are trained on, drawn by seed, and what is tested on.

What is drawn of a class follows from the seed, its name and its pictures alone: another class, or
another order of them, changes nothing. Of one seed, 4 shots are its 2 shots and two more.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sparse_peft.data.findings import listed, shown
from sparse_peft.data.labelled import Labelled, Split
from sparse_peft.errors import DataError, SpecError

TRAINABLE: tuple[Split, ...] = ("pool", "train")
MOST_NAMED = 5  # classes in one sentence


@dataclass(frozen=True)
class Draw:
    """Places in a set's `pictures`, by class."""

    train: tuple[int, ...]
    """The shots of the first class, of the second, and so on; a place can stand there twice."""
    test: tuple[int, ...]


def draw(
    labelled: Labelled,
    shots: int | None,
    seed: int,
    classes: Sequence[int] | None = None,
    learn_from: Sequence[Split] = TRAINABLE,
    evaluate: Split = "test",
) -> Draw:
    """The shots of each class, and the pictures to test on.

    A published draw of so many shots by this seed is taken as it is. A class of a published set
    with fewer pictures than shots is drawn from with replacement, as CoOp does. What is drawn from
    the pool is not tested on; pictures of a split that neither is named are left alone.

    Args:
        shots: a class; None: every picture that may be drawn.
        classes: labels to draw; None: all.
        learn_from: the splits that are drawn from.
        evaluate: the split that is tested on, beside what is left of the pool.

    Raises:
        SpecError, DataError: what `check_shots` says.

    Source: Zhou et al. 2022, arXiv:2109.01134, section 4.1: `shots` pictures of each class for
        training, the whole test set for testing. Their one stream of random numbers runs through
        all classes; ours are keyed by class, so that a class more changes no other's draw.
    """
    check_shots(labelled, shots, classes, learn_from, evaluate)
    labels = _labels(labelled, classes)
    published = labelled.drawn.get(f"{shots}-{seed}")
    if shots is None:
        chosen = {label: labelled.places(label, *learn_from) for label in labels}
    elif published is None:
        chosen = {label: _ranked(labelled, label, shots, seed, learn_from) for label in labels}
    else:
        chosen = _of_published(labelled, labels, published)
    train = [place for places in chosen.values() for place in places]
    taken = set(train)
    testable = (place for label in labels for place in labelled.places(label, "pool", evaluate))
    test = [place for place in testable if place not in taken]
    return Draw(tuple(train), tuple(test))


def check_shots(
    labelled: Labelled,
    shots: int | None,
    classes: Sequence[int] | None = None,
    learn_from: Sequence[Split] = TRAINABLE,
    evaluate: Split = "test",
) -> None:
    """Return if so many shots a class can be drawn and something is left to test on.

    Where all pictures are taken, a class may have none in one of the splits: that is how the set
    was published.

    Args:
        shots, classes, learn_from, evaluate: as of `draw`.

    Raises:
        SpecError: no shots at all.
        DataError: one class only, a class with too few pictures, or with none left to test on.
    """
    if shots is not None and shots < 1:
        raise SpecError(f"shots is {shots}; expected 1 or more pictures of each class.")
    labels = _labels(labelled, classes)
    if len(labels) < 2:
        names = [shown(labelled.classes[label]) for label in labels]
        raise DataError(
            f"There is one class only ({listed(names)}); at least two are needed to tell apart."
        )
    if shots is None:
        _check_all(labelled, labels, learn_from, evaluate)
        return
    _check_tested(labelled, labels, evaluate)
    _check_enough(labelled, shots, labels, learn_from, evaluate)


def _check_all(
    labelled: Labelled, labels: Sequence[int], learn_from: Sequence[Split], evaluate: Split
) -> None:
    if evaluate in learn_from:
        raise SpecError(f"the pictures of {evaluate} are trained on, so none are left to test on")
    have, test = labelled.counts(*learn_from), labelled.counts(evaluate)
    learned = sum(have[label] > 0 for label in labels)
    if learned < 2:
        raise DataError(
            f"Of the classes of {labelled.title}, {learned} have pictures to learn from"
            f" ({' and '.join(learn_from)}); at least two are needed."
        )
    if not sum(test[label] for label in labels):
        raise DataError(
            f"{labelled.title} has no pictures of {evaluate} to test on, and all others are learned"
            " from. Give test pictures, or a number of shots."
        )


def _check_tested(labelled: Labelled, labels: Sequence[int], evaluate: Split) -> None:
    testable = labelled.counts("pool", evaluate)
    bare = [shown(labelled.classes[label]) for label in labels if testable[label] == 0]
    if bare:
        raise DataError(f"There is no picture to test on of {listed(bare, MOST_NAMED)}; add some.")


def _check_enough(
    labelled: Labelled,
    shots: int,
    labels: Sequence[int],
    learn_from: Sequence[Split],
    evaluate: Split,
) -> None:
    """Of its own pictures a class needs its shots, and one more where it has no test pictures."""
    have, test = labelled.counts(*learn_from), labelled.counts(evaluate)
    in_place = labelled.root is not None
    spares = {label: 0 if test[label] else 1 for label in labels}
    least = 1 if in_place else shots
    short = [label for label in labels if have[label] < least + spares[label]]
    if not short:
        return
    spare = max(spares[label] for label in short)
    needed = least + spare
    names = [f"{shown(labelled.classes[label])}: {have[label]}" for label in short]
    most = min(have[label] - spares[label] for label in short)
    fewer = f"Take at most {_counted(most, 'shot')}, or add" if 1 <= most < shots else "Add"
    raise DataError(
        f"{_counted(shots, 'shot')} a class {'needs' if shots == 1 else 'need'}"
        f" {_counted(needed, 'picture')} of it{', one of them to test on' if spare else ''};"
        f" {len(short)} of {len(labels)} classes {'has' if len(short) == 1 else 'have'} fewer"
        f" ({listed(names, MOST_NAMED)}). {fewer} pictures."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _labels(labelled: Labelled, classes: Sequence[int] | None) -> Sequence[int]:
    return range(len(labelled.classes)) if classes is None else classes


def _ranked(
    labelled: Labelled, label: int, shots: int, seed: int, learn_from: Sequence[Split]
) -> list[int]:
    """The first `shots` pictures of a shuffled class; too few are drawn with replacement."""
    places = labelled.places(label, *learn_from)
    # `random()` alone is promised to stay the same in every version of Python; `sample` is not.
    dice = random.Random(f"{seed}/{labelled.classes[label]}")
    if len(places) < shots:
        return [places[int(dice.random() * len(places))] for _ in range(shots)]
    order = {place: dice.random() for place in places}
    return sorted(places, key=order.__getitem__)[:shots]


def _of_published(
    labelled: Labelled, labels: Sequence[int], places: Sequence[int]
) -> dict[int, list[int]]:
    chosen: dict[int, list[int]] = {label: [] for label in labels}
    for place in places:
        if labelled.pictures[place].label in chosen:
            chosen[labelled.pictures[place].label].append(place)
    missing = [labelled.classes[label] for label, found in chosen.items() if not found]
    if missing:
        raise DataError(
            f"The published draw of {labelled.title or 'this set'} has no picture of"
            f" {listed(missing, MOST_NAMED)}; remove its file to draw anew."
        )
    return chosen
