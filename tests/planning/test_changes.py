"""What the budget sets of a method, and what was changed besides."""

from dataclasses import replace

import pytest

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.methods import method_named
from sparse_peft.planning import sized
from sparse_peft.planning.changes import changed_fields, sized_by
from sparse_peft.presets import MethodDefaults

SHAPES = sources.shapes(sources.resolve("builtin"), "attention")
LORA_RANK_ONE = 18_816


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("lora", ("rank",)), ("waveft", ("coefficients",)), ("so", ("density",)),
        ("adalora", ("init_rank", "target_rank")), ("full", ()),
    ],
)  # fmt: skip
def test_the_budget_sets_the_size_and_nothing_else(method: str, fields: tuple[str, ...]) -> None:
    assert sized_by(method_named(method)(), SHAPES) == fields


@pytest.mark.parametrize("budget", [100, LORA_RANK_ONE, 5 * LORA_RANK_ONE])
def test_what_was_changed_is_found_at_any_budget(budget: int) -> None:
    preset = presets.preset("quick", "dreambooth", "builtin")
    given = {"rslora": True, "alpha": 2.0}
    methods = preset.methods | {"lora": MethodDefaults(1e-3, given)}
    changed = replace(preset, methods=methods)
    had = tables.table(sized("lora", changed, budget, SHAPES, allow_over=True)[0])
    assert changed_fields("lora", had, budget, preset, SHAPES) == given
