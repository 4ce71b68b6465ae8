"""How long the draft's trainings will take and what memory they need, told by what went before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sparse_peft.report import words
from sparse_peft.runs import devices
from sparse_peft.tasks.dreambooth.recipe import Shared
from sparse_peft.ui.classes import trainings as class_trainings
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.estimates import measured
from sparse_peft.ui.estimates.chosen import Chosen, blocked, trainings
from sparse_peft.ui.estimates.measured import Prepared, Probed, Taken
from sparse_peft.ui.watch import remaining
from sparse_peft.ui.watch.watcher import watcher

CPU_SLOTS = 2  # the runner's own default
RUNS_TOLD_BY = 8  # the newest ones
STATE_BYTES = 16  # of a trainable value: itself, its gradient and two moments, in fp32
MIB = 1 << 20
SMALLER = "Choose the built-in backbone."
NOT_KNOWN = "not known on this machine yet"
ROUNDING = ((120, 5), (600, 10), (float("inf"), 60))  # seconds below which to round to so many


@dataclass(frozen=True)
class Estimate:
    """One training of one method."""

    seconds: float | None = None
    origin: str = NOT_KNOWN
    """what tells it"""
    memory: str = ""
    """a sentence, or nothing where memory was not measured"""
    too_large: bool = False
    """whether it will not fit into the memory of the card"""


@dataclass(frozen=True)
class Outlook:
    """The whole comparison."""

    methods: dict[str, Estimate]
    seconds: float | None
    """from Start to the end, once its turn has come; None where nothing tells"""
    lanes: int
    """runs at a time"""
    queue: str
    """what is before it, in a sentence"""


def outlook(desk: Desk, chosen: Chosen) -> Outlook:
    """What to expect, for every method that could be trained."""
    home = desk.home
    facts = _Facts.of(home)
    wanted = {
        name: _wanted(facts, chosen, name)
        for name in chosen.dial.methods
        if blocked(chosen, name) is None
    }
    together = facts.lanes > 1 and len(chosen.taking_part) * chosen.draft.train_seeds > 1
    methods = {
        name: _estimate(facts, asked, chosen.dial.methods[name].sizes[chosen.stop].active, together)
        for name, asked in wanted.items()
    }
    each = [methods[name].seconds for name in chosen.taking_part]
    begin = _prepare_seconds(facts, _prepare(facts, chosen)) if each else None
    known = [seconds for seconds in each if seconds is not None]
    whole = None
    if begin is not None and known == each:
        whole = begin + remaining.makespan(known * chosen.draft.train_seeds, facts.lanes)
    return Outlook(methods, whole, facts.lanes, queue_words(home, facts.lanes))


def about(seconds: float | int) -> str:
    """About 1 min 50 s: no more exact than an estimate is."""
    step = next(step for below, step in ROUNDING if seconds < below)
    return f"about {words.duration(max(step, step * round(seconds / step)))}"


def queue_words(home: Path, lanes: int) -> str:
    """What is before a comparison that is started at this moment; empty if nothing is."""
    watch = watcher(home)
    before = [row for row in watch.rows() if row.state in ("queued", "running")]
    if not before:
        return ""
    count = f"{len(before)} run{'s are' if len(before) > 1 else ' is'} before yours"
    lefts = [watch.seconds_left(row) for row in before]
    known = [left for left in lefts if left is not None]
    if len(known) < len(lefts):
        return f"{count}."
    return f"{count}, {about(remaining.makespan(known, lanes))}."


@dataclass(frozen=True)
class _Wanted:
    """A run to come."""

    key: measured.Key
    steps: int
    pictures: int
    """that it draws, or looks at"""
    split: tuple[float, float] | None = None
    """seconds of loading and of a picture, as a probe took them"""
    more: int = 0
    """pictures besides, which only that split counts"""
    advice: str = SMALLER
    """what to do where the memory does not suffice"""


@dataclass(frozen=True)
class _Facts:
    taken: tuple[Taken, ...]
    prepared: tuple[Prepared, ...]
    probed: tuple[Probed, ...]
    card: dict[str, Any] | None
    """the GPU that trainings use, as the newest probe found it"""
    lanes: int

    @classmethod
    def of(cls, home: Path) -> "_Facts":
        found = measured.facts(home)
        probes = tuple(fact for fact in found if isinstance(fact, Probed))
        there = probes[0].devices if probes else ()
        cards = [device for device in there if device["id"].startswith("cuda")]
        return cls(
            tuple(fact for fact in found if isinstance(fact, Taken)),
            tuple(fact for fact in found if isinstance(fact, Prepared)),
            probes, cards[0] if cards else None, _lanes(home, len(cards)),
        )  # fmt: skip

    def picture(self, shared: Shared) -> tuple[float, float] | None:
        """Seconds of loading and of one test picture, as a probe of the same took them."""
        key = measured.picture_key(shared)
        for probe in self.probed:
            if probe.picture_key == key and probe.load_seconds and probe.picture_seconds:
                return probe.load_seconds, probe.picture_seconds
        return None


def _lanes(home: Path, cards: int) -> int:
    """How many runs go on at a time."""
    if cards:
        return cards
    if devices.driver_found():
        return remaining.lanes(home)
    return len(devices.slots(("cpu",), CPU_SLOTS))


def _wanted(facts: _Facts, chosen: Chosen, name: str) -> _Wanted:
    """One training of a method."""
    if chosen.draft.task == "fewshot":
        settings = class_trainings.training(chosen, name)
        key = measured.class_training_key(settings)
        pictures = class_trainings.looked_at(chosen.draft.classes, settings.training)
        return _Wanted(key, settings.training.steps, pictures)
    asked = trainings(chosen, (name,))[0]
    return _Wanted(
        measured.training_key(asked), asked.training.steps, measured.pictures_of(asked),
        facts.picture(asked.shared),
        advice=SMALLER if chosen.source.family == "sd" else "Choose SD 1.5.",
    )  # fmt: skip


def _prepare(facts: _Facts, chosen: Chosen) -> _Wanted:
    """What all trainings begin with."""
    name = chosen.taking_part[0]
    if chosen.draft.task == "fewshot":
        pictures = sum(1 for _ in chosen.draft.classes.everything())
        return _Wanted(measured.class_prepare_key(chosen.source.id), 0, pictures)
    shared = trainings(chosen, (name,))[0].shared
    prior = shared.prior.pictures if shared.prior else 0
    return _Wanted(
        measured.prepare_key(shared), 0, measured.base_pictures(shared), facts.picture(shared),
        prior,
    )  # fmt: skip


def _estimate(facts: _Facts, asked: _Wanted, active: int, together: bool) -> Estimate:
    key = asked.key
    runs = _told_by([taken for taken in facts.taken if taken.key == key], together)
    probes = [each for probe in facts.probed for each in probe.trainings if each.key == key]
    told = runs or probes[:1]
    too_large = next((key in p.too_large for p in facts.probed if _of(p, key)), False)
    if too_large or not told:
        memory = "Will not fit: its memory ran out when it was measured." if too_large else ""
        return Estimate(memory=memory, too_large=too_large)
    memory, too_large = _memory(told, active, facts.card, asked.advice)
    around = _around(told, asked)
    if around is None:
        return Estimate(None, NOT_KNOWN, memory, too_large)
    seconds = median(t.step_seconds for t in told) * asked.steps + around
    many = f"from {len(runs)} run{'s' if len(runs) > 1 else ''} on this machine"
    return Estimate(seconds, many if runs else "measured on this machine", memory, too_large)


def _told_by(matching: Sequence[Taken], together: bool) -> list[Taken]:
    """The newest runs on the same device; those done as this one will be, alone or beside another.

    Only where there are none of these do the others tell.
    """
    here = [taken for taken in matching if taken.device == matching[0].device]
    alike = [taken for taken in here if taken.beside == together]
    return (alike or here)[:RUNS_TOLD_BY]


def _of(probe: Probed, key: measured.Key) -> bool:
    """Whether a probe tells about a training."""
    return key in probe.too_large or any(each.key == key for each in probe.trainings)


def _around(told: Sequence[Taken], asked: _Wanted) -> float | None:
    """Loading, drawing and saving.

    A run that draws fewer pictures than those that tell is taken to need as long: how much of
    their time was loading is not known.
    """
    known = [
        taken.around_seconds * max(1.0, asked.pictures / taken.pictures)
        for taken in told
        if taken.around_seconds is not None
    ]
    if known:
        return median(known)
    split = asked.split
    return None if split is None else split[0] + asked.pictures * split[1]


def _prepare_seconds(facts: _Facts, asked: _Wanted) -> float | None:
    known = [
        prepared.seconds * max(1.0, asked.pictures / prepared.pictures)
        for prepared in facts.prepared
        if prepared.key == asked.key
    ]
    if known:
        return median(known[:RUNS_TOLD_BY])
    split = asked.split
    return None if split is None else split[0] + (asked.pictures + asked.more) * split[1]


def _memory(
    told: Sequence[Taken], active: int, card: dict[str, Any] | None, advice: str
) -> tuple[str, bool]:
    """What a training needs, in words, and whether that is more than there is."""
    known = [
        taken.peak_mib + STATE_BYTES * (active - taken.active) / MIB
        for taken in told
        if taken.peak_mib is not None
    ]
    if not known:
        return "", False
    mib = max(0.0, median(known))
    if told[0].device.startswith("CPU"):
        return f"{mib:.0f} MB beside the backbone", False
    need = f"needs {mib / 1024:.1f} GB"
    if card is None:
        return need, False
    free, whole = card["free_gib"], card["memory_gib"]
    if mib / 1024 <= free:
        return f"{need}; {free:g} of {whole:g} GB are free", False
    return f"Will not fit: {need}, {free:g} GB are free. {advice}", True
