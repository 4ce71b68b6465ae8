"""What there is to say about labelled pictures once they are decoded, in plain words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sparse_peft.data.findings import Finding, listed
from sparse_peft.data.labelled import Split
from sparse_peft.data.pictures import NEARLY_THE_SAME

MOST_NAMED = 3  # pictures or pairs in one sentence
MOST_LEFT_OUT = 5  # pictures that get a sentence of their own
MOST_UNEVEN = 4  # times as many pictures as another class
# Correlation of the thumbnails. Drawings of different characters (omniglot, 2,720 of them) reach
# 0.87 at the most, photographs of different subjects (DreamBooth) 0.68; a picture and its copy
# have 0.95 at the least when it is scaled to a half, brightened by 15 % or cropped by 2 %.
ALIKE = 0.94
_ROWS = 256  # pictures compared with all others at a time
_SPLITS: tuple[Split, ...] = ("pool", "train", "test")


@dataclass(frozen=True)
class Seen:
    """What is kept of a decoded picture, to compare it with the others."""

    name: str
    label: int
    split: Split
    sha256: str
    side: int
    """The shorter one, in pixels."""
    animated: bool
    difference_hash: int
    thumbnail: bytes


def check(classes: Sequence[str], seen: Sequence[Seen], wanted_side: int) -> list[Finding]:
    """Every sentence about the pictures that could be read; "stop" comes first.

    Args:
        seen: no picture twice in the same class and split.
        wanted_side: of what the backbone sees, in pixels.
    """
    if not seen:
        return list(_missing(classes, seen))
    return [
        *_missing(classes, seen),
        *_in_two_classes(seen),
        *_tested_and_trained(seen),
        *_nearly_in_two_classes(seen),
        *_uneven(classes, seen),
        *small([each.side for each in seen], wanted_side),
        *_animated(seen),
    ]


def left_out(reasons: Sequence[tuple[str, str]], what: str) -> list[Finding]:
    """A sentence for each of the first pictures that are left out, and a count of the others.

    Args:
        reasons: a picture's name, and the sentence about it.
        what: what happened to the others, such as "could not be read".
    """
    findings = [Finding(name, "warn", text) for name, text in reasons[:MOST_LEFT_OUT]]
    more = len(reasons) - MOST_LEFT_OUT
    if more > 0:
        text = f"{more:,} more {'picture' if more == 1 else 'pictures'} {what}, left out."
        findings.append(Finding(None, "warn", text))
    return findings


def _missing(classes: Sequence[str], seen: Sequence[Seen]) -> Iterator[Finding]:
    """Classes that have nothing to train on, or nothing to test on."""
    found = {split: Counter(s.label for s in seen if s.split == split) for split in _SPLITS}
    trained = [found["pool"][label] + found["train"][label] for label in range(len(classes))]
    empty = [name for name, count in zip(classes, trained, strict=True) if count == 0]
    if empty:
        yield _stop(f"No picture of {listed(empty, 5)} can be used; add some, or remove the class.")
    if found["test"]:
        bare = [name for label, name in enumerate(classes) if not found["test"][label]]
        if bare:
            yield _stop(f"No test picture of {listed(bare, 5)} can be used; add some.")
    elif found["pool"]:
        single = [name for name, count in zip(classes, trained, strict=True) if count == 1]
        if single:
            yield _stop(
                f"There is one picture only of {listed(single, 5)}: once it is trained on, none is"
                " left to test on. Add pictures."
            )


def _in_two_classes(seen: Sequence[Seen]) -> Iterator[Finding]:
    pairs = [
        f"{first.name} and {other.name}"
        for same in _same(seen)
        for first in same[:1]
        for other in same[1:]
        if other.label != first.label
    ]
    if pairs:
        yield _stop(
            f"The same picture is in two classes: {_named(pairs)}. Keep it in the class that it"
            " shows."
        )


def _tested_and_trained(seen: Sequence[Seen]) -> Iterator[Finding]:
    pairs = []
    for same in _same(seen):
        trained = [s for s in same if s.split == "train"]
        for tested in same:
            if tested.split == "test" and trained and tested.label == trained[0].label:
                pairs.append(f"{tested.name} is {trained[0].name}")
    if pairs:
        count = "A test picture is" if len(pairs) == 1 else f"{len(pairs):,} test pictures are"
        yield _stop(f"{count} among the training ones: {_named(pairs)}. Remove them from one side.")


def _same(seen: Iterable[Seen]) -> list[list[Seen]]:
    """The pictures that have the same pixels, together."""
    groups: dict[str, list[Seen]] = defaultdict(list)
    for picture in seen:
        groups[picture.sha256].append(picture)
    return [group for group in groups.values() if len(group) > 1]


def _nearly_in_two_classes(seen: Sequence[Seen]) -> Iterator[Finding]:
    places, count = nearly_the_same(seen, MOST_NAMED)
    if count:
        pairs = [f"{seen[first].name} and {seen[other].name}" for first, other in places]
        text = f"Nearly the same picture is in two classes: {_named(pairs, count)}. Is that so?"
        yield Finding(None, "warn", text)


def nearly_the_same(seen: Sequence[Seen], most: int) -> tuple[list[tuple[int, int]], int]:
    """Places of pictures of two classes that are nearly, but not quite, the same.

    The hash finds candidates fast; the thumbnails decide, for the hash of a drawing is nearly
    empty and says little.

    Args:
        most: pairs to give.

    Returns:
        The first pairs, and how many there are.
    """
    hashes = np.array([s.difference_hash for s in seen], dtype=np.uint64)
    labels = np.array([s.label for s in seen])
    _, contents = np.unique([s.sha256 for s in seen], return_inverse=True)
    unit = _unit([s.thumbnail for s in seen])
    pairs: list[tuple[int, int]] = []
    count = 0
    for start in range(0, len(seen), _ROWS):
        rows, rest = slice(start, start + _ROWS), slice(start, None)
        near = np.bitwise_count(hashes[rows, None] ^ hashes[None, rest]) <= NEARLY_THE_SAME
        near &= labels[rows, None] != labels[None, rest]
        near &= contents[rows, None] != contents[None, rest]
        near &= np.arange(near.shape[0])[:, None] < np.arange(near.shape[1])
        columns = np.flatnonzero(near.any(axis=0))
        alike = near[:, columns] & (unit[rows] @ unit[start + columns].T >= ALIKE)
        count += int(alike.sum())
        for row, at in np.argwhere(alike)[: most - len(pairs)].tolist():
            pairs.append((start + row, start + int(columns[at])))
    return pairs, count


def _unit(thumbnails: Sequence[bytes]) -> Float[np.ndarray, "N pixels"]:
    """Thumbnails of mean 0 and norm 1, whose products are correlations; a flat one stays 0."""
    grey = np.stack([np.frombuffer(t, dtype=np.uint8) for t in thumbnails]).astype(np.float32)
    grey -= grey.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(grey, axis=1, keepdims=True)
    unit: np.ndarray = np.divide(grey, norm, out=grey, where=norm > 0)
    return unit


def _uneven(classes: Sequence[str], seen: Sequence[Seen]) -> Iterator[Finding]:
    counts = Counter(s.label for s in seen if s.split in ("pool", "train"))
    most, fewest = max(counts, key=lambda k: counts[k]), min(counts, key=lambda k: counts[k])
    if counts[most] > MOST_UNEVEN * counts[fewest]:
        yield Finding(
            None,
            "warn",
            f"The classes are uneven: {counts[most]:,} pictures of {classes[most]},"
            f" {counts[fewest]:,} of {classes[fewest]}. Each gets the same number of shots, but"
            " accuracy counts the large classes more; macro-F1 counts all alike.",
        )


def small(sides: Sequence[int], wanted_side: int) -> Iterator[Finding]:
    """That pictures are smaller than what the backbone sees.

    Args:
        sides: the shorter one of each picture, in pixels.
    """
    less = [side for side in sides if side < wanted_side]
    if less:
        one = len(less) == 1
        text = (
            f"{len(less):,} of {len(sides):,} pictures {'is' if one else 'are'} smaller than the"
            f" {wanted_side} px that the backbone sees ({'it' if one else 'the smallest'} has"
            f" {min(less)} px); {'it is' if one else 'they are'} enlarged."
        )
        yield Finding(None, "info", text)


def _animated(seen: Sequence[Seen]) -> Iterator[Finding]:
    names = [s.name for s in seen if s.animated]
    if names:
        yield Finding(None, "info", f"Of animations the first frame is used: {_named(names)}.")


def _named(texts: Sequence[str], count: int | None = None) -> str:
    more = (len(texts) if count is None else count) - MOST_NAMED
    return listed(texts[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _stop(text: str) -> Finding:
    return Finding(None, "stop", text)
