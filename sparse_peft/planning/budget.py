"""The budget: its scale, what a preset asks for, and each method at its size within it."""

from sparse_peft import tables
from sparse_peft.errors import SpecError
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Method, Plan, Shapes
from sparse_peft.presets import MOST_SEED, AnyPreset

STOPS_EACH_SIDE = 24  # of the budget scale: a quarter of a doubling each, from 1/64 to 64


def lora_rank_one(shapes: Shapes) -> int:
    """Trainable values of LoRA at rank 1: the unit of the budget scale."""
    return sum(out + into for out, into in shapes.values())


def budget_scale(shapes: Shapes) -> tuple[int, ...]:
    """The 49 stops of the budget dial: quarter doublings from 1/64 of LoRA rank 1 to rank 64."""
    unit = lora_rank_one(shapes)
    span = range(-STOPS_EACH_SIDE, STOPS_EACH_SIDE + 1)
    return tuple(round(unit * 2 ** (stop / 4)) for stop in span)


def preset_budget(preset: AnyPreset, shapes: Shapes) -> int:
    """The budget that a preset asks for on this backbone."""
    return round(preset.lora_ranks * lora_rank_one(shapes))


def sized(
    name: str, preset: AnyPreset, budget: int, shapes: Shapes, *, allow_over: bool
) -> tuple[Method, bool]:
    """A method at its largest size within the budget, and whether it had to exceed it.

    Raises:
        SpecError: the budget is below the method's smallest and `allow_over` is off.
    """
    kind = method_named(name)
    fields = preset.method(name).fields
    method = tables.build(kind, fields, f"preset {preset.name} [methods.{name}.fields]")
    return within(method, budget, shapes, allow_over=allow_over)


def within(method: Method, budget: int, shapes: Shapes, *, allow_over: bool) -> tuple[Method, bool]:
    """The method at its largest size within the budget, and whether it had to exceed it.

    Raises:
        SpecError: as in `sized`.
    """
    span = method.budget_range(shapes)
    if span is None:
        return method, False
    if budget < span[0] and allow_over:
        return method.fit(span[0], shapes), True
    return method.fit(budget, shapes), False


def rate(name: str, preset: AnyPreset, budget: int, shapes: Shapes) -> float:
    """The learning rate of a method at a budget: the preset's, or what follows from it.

    Two digits of it, as a person would type them; the preset's own as it stands.

    Raises:
        SpecError: the preset has none for the method.
    """
    ours, usual = preset.method(name), preset_budget(preset, shapes)
    if budget == usual or not ours.lr_exponent:
        return ours.lr
    return float(f"{ours.lr * (budget / usual) ** ours.lr_exponent:.2g}")


def check_seed(seed: int) -> None:
    """Return if it can be a seed; SpecError says why not."""
    if not 0 <= seed <= MOST_SEED:
        raise SpecError(f"--seed is {seed}; use 0 to {MOST_SEED}.")


def check_methods(methods: tuple[str, ...], references: tuple[str, ...] = ()) -> None:
    """Return if they are methods or references, each named once; SpecError says what is not."""
    if not methods:
        raise SpecError("--methods is empty; name at least one, such as waveft,lora,so.")
    for name in methods:
        if name not in references:
            method_named(name, references)
    repeated = {name for name in methods if methods.count(name) > 1}
    if repeated:
        raise SpecError(f"--methods names {', '.join(sorted(repeated))} twice; name each once.")


def check_sizes(
    methods: tuple[str, ...], preset: AnyPreset, budget: int, shapes: Shapes, seed: int
) -> None:
    """Refuse a budget with all methods that it is too small for in one sentence.

    Raises:
        SpecError: names them with their smallest, and a budget that would do.
    """
    smallest = {}
    for name in methods:
        method, over = sized(name, preset, budget, shapes, allow_over=True)
        if over:
            smallest[name] = method.footprint(shapes, Plan(1, seed)).active
    if smallest:
        floors = ", ".join(f"{name} ({count} at least)" for name, count in smallest.items())
        raise SpecError(
            f"--budget {budget} is too small for {floors}. "
            f"Use --budget {max(smallest.values())} or more, leave those methods out, or give "
            "--allow-over-budget to train them at their smallest."
        )


def budget_within(asked: int | None, preset: AnyPreset, shapes: Shapes, title: str) -> int:
    """The budget that was asked for, or the preset's.

    Args:
        title: the backbone's.

    Raises:
        SpecError: it is below 1 or above all weights that may be tuned.
    """
    weights = sum(out * into for out, into in shapes.values())
    if asked is None:
        return preset_budget(preset, shapes)
    if asked < 1:
        raise SpecError(
            f"--budget is {asked}; use 1 or more trainable values, "
            f"such as {lora_rank_one(shapes)} (LoRA rank 1)."
        )
    if asked > weights:
        raise SpecError(
            f"--budget {asked} is more than the {weights} weights that may be tuned in "
            f"{title}; use at most {weights}, such as {lora_rank_one(shapes)} "
            "(LoRA rank 1)."
        )
    return asked
