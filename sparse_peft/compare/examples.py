"""Which test pictures a report shows: of every confusion some, and not too many in all."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sparse_peft.compare.class_rows import ClassRow

MOST_IN_CELL = 24
MOST_PICTURES = 400  # of a comparison: about 2 MB of thumbnails

Cell = tuple[int, int]  # truth, predicted
Entry = dict[str, int | float]


def chosen(rows: Sequence[ClassRow], classes: Sequence[str]) -> frozenset[int]:
    """Places of the pictures to keep: from each cell of each row in turn the surest mistake."""
    queues = [
        [int(entry["place"]) for entry in cell] for row in rows for cell in _mistakes(row).values()
    ]
    kept: dict[int, None] = {}
    for rank in range(max((len(queue) for queue in queues), default=0)):
        for queue in queues:
            if rank < len(queue) and len(kept) < max(MOST_PICTURES, len(classes)):
                kept[queue[rank]] = None
    return frozenset(kept)


def confused(row: ClassRow, shown: Iterable[int]) -> dict[str, list[Entry]]:
    """For each pair of classes the pictures of one taken for the other, the surest first.

    Args:
        shown: places of the pictures that are kept; others are only counted.
    """
    kept = frozenset(shown)
    found = {
        f"{truth},{predicted}": [entry for entry in entries if entry["place"] in kept]
        for (truth, predicted), entries in _mistakes(row).items()
    }
    return {key: entries for key, entries in found.items() if entries}


def _mistakes(row: ClassRow) -> Mapping[Cell, list[Entry]]:
    """Pictures taken for another class, by cell; the fullest cell first, the surest picture too."""
    cells: dict[Cell, list[Entry]] = {}
    for seed, one in row.said.items():
        told = one.answers
        for at in np.flatnonzero(~told.right):
            cell = int(told.label[at]), int(told.predicted[at])
            entry: Entry = {"place": int(told.place[at]), "seed": seed,
                            "confidence": round(float(told.confidence[at]), 4)}  # fmt: skip
            cells.setdefault(cell, []).append(entry)
    order = sorted(cells, key=lambda cell: (-len(cells[cell]), cell))
    return {cell: sorted(cells[cell], key=_surest)[:MOST_IN_CELL] for cell in order}


def _surest(entry: Entry) -> tuple[int | float, ...]:
    return -entry["confidence"], entry["place"], entry["seed"]
