"""The budget dial: what every method makes of each of its 49 stops, counted once and kept."""

import hashlib
import json
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from math import log2
from pathlib import Path

import sparse_peft
from sparse_peft import files, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.clip.names import ClipSource
from sparse_peft.backbones.source import Source
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.errors import SpecError, UserError
from sparse_peft.methods import method_named
from sparse_peft.methods.file_sizes import expected_bytes
from sparse_peft.methods.method import Method, Plan, Shapes
from sparse_peft.planning import STOPS_EACH_SIDE, budget_scale, lora_rank_one, within
from sparse_peft.planning.changes import differing

EACH_DOUBLING = 4  # stops
LAST_STOP = 2 * STOPS_EACH_SIDE
ONE_STEP = Plan(1, 0)
MOST_KEPT = 500  # files in the cache: a few kilobytes each
CODE = (  # what the counts follow from
    "methods/**/*.py", "maths/**/*.py", "planning/**/*.py", "backbones/clip/*.py",
    "backbones/vision/*.py", "ui/estimates/dial.py",
)  # fmt: skip

Fields = dict[str, int | float | str | bool | None]


@dataclass(frozen=True)
class Size:
    """One method at one stop."""

    knob: str
    active: int
    stored: int
    support: int | None
    """None: every weight"""
    estimated: bool
    bytes: int
    """of the file, about"""


@dataclass(frozen=True)
class Counted:
    """One method along the dial."""

    sizes: tuple[Size, ...]
    """at each stop; below the method's minimum that of its smallest"""
    smallest: int | None
    """trainable values at least; None where the budget does not matter"""
    sized_by: tuple[str, ...]
    """the fields that the budget sets"""
    error: str | None = None
    """why it cannot be counted with these settings; then there are no sizes"""


@dataclass(frozen=True)
class Dial:
    """Everything that changes while the thumb moves."""

    stops: tuple[int, ...]
    """trainable values"""
    tunable: int
    """weights that methods may change"""
    methods: dict[str, Counted]

    def goes(self, name: str, stop: int) -> bool:
        """Whether a method can go as low as a stop."""
        counted = self.methods[name]
        if counted.error is not None:
            return False
        return counted.smallest is None or counted.smallest <= self.stops[stop]


def stop_of(lora_ranks: float | int) -> int:
    """The stop nearest to so many times LoRA's rank 1."""
    return min(LAST_STOP, max(0, STOPS_EACH_SIDE + round(EACH_DOUBLING * log2(lora_ranks))))


def phrase(stop: int) -> str:
    """What a stop is in ranks of LoRA."""
    doublings, rest = divmod(stop - STOPS_EACH_SIDE, EACH_DOUBLING)
    if doublings < 0:
        fewer = 2 ** ((STOPS_EACH_SIDE - stop) / EACH_DOUBLING)
        return f"{float(f'{fewer:.2g}'):g} times fewer than the smallest LoRA"
    if rest:
        return f"between LoRA rank {2**doublings} and {2 ** (doublings + 1)}"
    return f"as many as LoRA rank {2**doublings}"


def dial(
    home: Path,
    source: Source,
    targets: str,
    fields: dict[str, Fields],
    plan: Plan,
    lora_ranks: float = 1.0,
) -> Dial:
    """The dial of a backbone that is on this machine.

    Args:
        fields: settings of each method, the budget's own left out or not: it sets them.
        lora_ranks: a preset's budget, which one stop is.
    """
    shapes = shapes_of(source, targets)
    asked = _Asked(source.id, targets, shapes.key, lora_ranks)
    methods = {
        name: _counted(home, name, tables_key(values), asked, plan)
        for name, values in fields.items()
    }
    tunable = sum(out * into for out, into in shapes.shapes.values())
    return Dial(scale(lora_ranks, shapes.shapes), tunable, methods)


def scale(lora_ranks: float, shapes: Shapes) -> tuple[int, ...]:
    """The dial's stops, the nearest to a preset's budget moved onto it.

    A published recipe has a budget that lies between two stops; only the exact one repeats it.
    """
    stops = list(budget_scale(shapes))
    stops[stop_of(lora_ranks)] = round(lora_ranks * lora_rank_one(shapes))
    return tuple(stops)


@dataclass(frozen=True)
class KnownShapes:
    """The shapes of a backbone's tunable weights, with a name for exactly these."""

    shapes: Shapes
    key: str


def shapes_of(source: Source, targets: str) -> KnownShapes:
    """Shapes from the headers of the backbone's files, read once for each state of these files."""
    paths = sorted((source.folder / "unet").glob("*.safetensors"))
    if isinstance(source, ClipSource | VisionSource):
        paths = [source.weights] if source.weights else []
    return _shapes_of(source, targets, tuple(path.stat().st_mtime_ns for path in paths))


def rank_one(source: Source, targets: str) -> int:
    """Trainable values of LoRA at rank 1."""
    return lora_rank_one(shapes_of(source, targets).shapes)


@lru_cache(maxsize=16)
def _shapes_of(source: Source, targets: str, _modified: tuple[int, ...]) -> KnownShapes:
    shapes = sources.shapes(source, targets)
    key = hashlib.sha256(json.dumps(shapes).encode()).hexdigest()
    _known[key] = shapes
    return KnownShapes(shapes, key)


_known: dict[str, Shapes] = {}
_counting = threading.Lock()  # two tabs ask for the same at once


def tables_key(fields: Fields) -> str:
    """Settings as a text that equals for equal settings."""
    return json.dumps(fields, sort_keys=True)


@dataclass(frozen=True)
class _Asked:
    """The weights that are counted, and where the dial's own stop is."""

    backbone: str
    targets: str
    shapes: str
    lora_ranks: float


def _counted(home: Path, name: str, fields: str, asked: _Asked, plan: Plan) -> Counted:
    """Counts that leave nothing to chance hold for any number of steps and any seed."""
    with _counting:
        one = _counted_once(home, name, fields, asked, ONE_STEP)
        if not any(size.estimated for size in one.sizes):
            return one
        return _counted_once(home, name, fields, asked, plan)


@lru_cache(maxsize=256)
def _counted_once(home: Path, name: str, fields: str, asked: _Asked, plan: Plan) -> Counted:
    whole = [_code(), name, fields, *vars(asked).values(), plan.steps, plan.seed]
    key = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    path = home / "cache" / "dial" / f"{key}.json"
    kept = _read(path)
    if kept is not None:
        return kept
    counted = _count(name, json.loads(fields), asked, plan)
    _keep(path, counted)
    return counted


def _count(name: str, fields: Fields, asked: _Asked, plan: Plan) -> Counted:
    kind, shapes = method_named(name), _known[asked.shapes]
    try:
        method = tables.build(kind, fields, kind.label)
        span = method.budget_range(shapes)
        stops = scale(asked.lora_ranks, shapes)
        fitted = [within(method, b, shapes, allow_over=True)[0] for b in stops]
        sizes = [_size(each, asked.backbone, shapes, plan) for each in fitted]
    except SpecError as error:
        return Counted((), None, (), str(error))
    return Counted(tuple(sizes), span and span[0], differing(fitted[0], fitted[-1]))


def _size(method: Method, backbone: str, shapes: Shapes, plan: Plan) -> Size:
    found = method.footprint(shapes, plan)
    count = expected_bytes(method, backbone, shapes, plan, found)
    return Size(
        method.knob(shapes), found.active, found.stored, found.support, found.estimated, count
    )


def _read(path: Path) -> Counted | None:
    try:
        return tables.build(Counted, tables.read_json(path), str(path))
    except UserError:  # not there, or damaged: it is counted anew
        return None


def _keep(path: Path, counted: Counted) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, tables.table(counted))
    kept = sorted(path.parent.glob("*.json"), key=_age)
    for old in kept[:-MOST_KEPT]:
        old.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process was tidying too
        return 0.0


@cache
def _code() -> str:
    """A name for the code that counts: what it counted before is not read after a change."""
    root = Path(sparse_peft.__file__).parent
    whole = hashlib.sha256()
    for pattern in CODE:
        for path in sorted(root.glob(pattern)):
            whole.update(path.read_bytes())
    return whole.hexdigest()
