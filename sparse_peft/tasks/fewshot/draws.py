"""Which pictures are trained on and which are tested on, for each seed of a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparse_peft import tables
from sparse_peft.data.labelled import Labelled
from sparse_peft.data.shots import draw
from sparse_peft.files import write_json
from sparse_peft.tasks.fewshot.recipe import Classes

DRAWS_FILE = "draws.json"


@dataclass(frozen=True)
class Drawn:
    """Places in the labelled set's pictures, for one seed."""

    train: tuple[int, ...]
    test: tuple[int, ...]
    """of the classes that are learned"""
    new: tuple[int, ...] = ()
    """to test on, of the classes that are not learned"""


def all_draws(labelled: Labelled, shared: Classes) -> dict[int, Drawn]:
    """The draw of each seed.

    Raises:
        SpecError, DataError: a class has too few pictures.
    """
    return {seed: _drawn(labelled, shared, seed) for seed in shared.seeds}


def _drawn(labelled: Labelled, shared: Classes, seed: int) -> Drawn:
    found = draw(labelled, shared.shots, seed, shared.labels, shared.learn_from, shared.evaluate)
    learned = set(shared.labels[: len(shared.classes)])

    def of(places: tuple[int, ...], *, new: bool) -> tuple[int, ...]:
        labels = {place: labelled.pictures[place].label for place in places}
        return tuple(place for place in places if (labels[place] not in learned) == new)

    return Drawn(of(found.train, new=False), of(found.test, new=False), of(found.test, new=True))


def needed(draws: Mapping[int, Drawn]) -> list[int]:
    """Every place that some draw trains or tests on, in order."""
    places = {p for drawn in draws.values() for p in (*drawn.train, *drawn.test, *drawn.new)}
    return sorted(places)


def write_draws(folder: Path, draws: Mapping[int, Drawn]) -> None:
    """Write draws.json."""
    write_json(folder / DRAWS_FILE, {str(seed): tables.table(d) for seed, d in draws.items()})


def read_draw(folder: Path, seed: int) -> Drawn:
    """The draw of a seed.

    Raises:
        SpecError: draws.json does not hold it.
    """
    path = folder / DRAWS_FILE
    return tables.build(Drawn, tables.read_json(path).get(str(seed), {}), f"{path}.{seed}")
