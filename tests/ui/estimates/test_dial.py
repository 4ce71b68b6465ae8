"""The dial counts what planning would train and what a worker would save, once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import sparse_peft
from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.methods import all_methods
from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.file_sizes import expected_bytes
from sparse_peft.methods.method import Plan
from sparse_peft.planning import budget_scale, sized
from sparse_peft.ui.estimates import dial as dials
from sparse_peft.ui.estimates.dial import LAST_STOP, Dial, phrase, stop_of

PLAN = Plan(steps=30, seed=0)
BUILTIN = sources.resolve("builtin")
SHAPES = sources.shapes(BUILTIN, "attention")
PRESET = presets.preset("quick", "dreambooth", "builtin")


@pytest.fixture(autouse=True)
def nothing_in_memory() -> None:
    dials._counted_once.cache_clear()


def counted(home: Path, plan: Plan = PLAN, **fields: dials.Fields) -> Dial:
    usual: dict[str, dials.Fields] = {name: {} for name in all_methods()}
    return dials.dial(home, BUILTIN, "attention", usual | fields, plan)


def test_every_stop_is_what_planning_trains(tmp_path: Path) -> None:
    dial = counted(tmp_path)
    assert dial.stops == budget_scale(SHAPES)
    assert dial.tunable == sum(out * into for out, into in SHAPES.values())
    for name in PRESET.methods:
        for stop in range(0, LAST_STOP + 1, 6):
            method, over = sized(name, PRESET, dial.stops[stop], SHAPES, allow_over=True)
            size = dial.methods[name].sizes[stop]
            found = method.footprint(SHAPES, PLAN)
            assert size.knob == method.knob(SHAPES)
            assert (size.active, size.stored, size.support) == (
                found.active, found.stored, found.support,
            )  # fmt: skip
            assert dial.goes(name, stop) != over


def test_a_method_says_where_it_begins_and_what_the_budget_sets(tmp_path: Path) -> None:
    dial = counted(tmp_path)
    assert dial.methods["lora"].smallest == dial.stops[24] == 18_816
    assert not dial.goes("lora", 23)
    assert dial.goes("lora", 24)
    assert dial.goes("waveft", 0)
    fields = {name: each.sized_by for name, each in dial.methods.items()}
    known = {"lora": ("rank",), "waveft": ("coefficients",), "so": ("density",)}
    assert known.items() <= fields.items()
    for name, each in dial.methods.items():
        assert bool(fields[name]) == (each.smallest is not None), name


def test_settings_change_the_counts_and_impossible_ones_say_why(tmp_path: Path) -> None:
    usual, often = counted(tmp_path), counted(tmp_path, so={"T": 1})
    sizes = usual.methods["so"].sizes[24], often.methods["so"].sizes[24]
    assert sizes[1].stored > sizes[0].stored
    wrong = counted(tmp_path, waveft={"scaling": 0.0}).methods["waveft"]
    assert wrong.sizes == ()
    assert wrong.error == "WaveFT: scaling is 0.0; expected more than 0."


def test_what_was_counted_is_kept_until_the_code_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = counted(tmp_path)
    paths = sorted((tmp_path / "cache" / "dial").iterdir())
    by_chance = [m for m in first.methods.values() if any(size.estimated for size in m.sizes)]
    assert len(paths) == len(all_methods()) + len(by_chance)  # these once more for each plan
    monkeypatch.setattr(dials, "_count", lambda *_: pytest.fail("counted again"))
    dials._counted_once.cache_clear()
    assert counted(tmp_path) == first
    monkeypatch.undo()
    paths[0].write_text("{")
    dials._counted_once.cache_clear()
    assert counted(tmp_path) == first
    monkeypatch.setattr(dials, "_code", lambda: "another")
    dials._counted_once.cache_clear()
    assert counted(tmp_path) == first
    assert len(list((tmp_path / "cache" / "dial").iterdir())) == 2 * len(paths)


@pytest.mark.parametrize("pattern", dials.CODE)
def test_the_code_that_counts_is_where_it_is_looked_for(pattern: str) -> None:
    assert list(Path(sparse_peft.__file__).parent.glob(pattern))


def test_other_steps_count_anew_only_what_chance_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = counted(tmp_path).methods
    by_chance = [name for name in first if any(size.estimated for size in first[name].sizes)]
    assert "so" in by_chance
    asked: list[str] = []
    count = dials._count

    def noted(name: str, *rest: Any) -> dials.Counted:
        asked.append(name)
        return count(name, *rest)

    monkeypatch.setattr(dials, "_count", noted)
    counted(tmp_path, Plan(7, 1))
    assert asked == by_chance


def test_old_counts_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dials, "MOST_KEPT", 4)
    for often in range(1, 6):
        counted(tmp_path, so={"T": often})
    assert len(list((tmp_path / "cache" / "dial").iterdir())) == 4


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (0, "64 times fewer than the smallest LoRA"),
        (8, "16 times fewer than the smallest LoRA"),
        (23, "1.2 times fewer than the smallest LoRA"),
        (24, "as many as LoRA rank 1"),
        (29, "between LoRA rank 2 and 4"),
        (32, "as many as LoRA rank 4"),
        (48, "as many as LoRA rank 64"),
    ],
)
def test_a_stop_in_ranks_of_lora(stop: int, words: str) -> None:
    assert phrase(stop) == words


def test_a_preset_has_its_stop() -> None:
    assert [stop_of(ranks) for ranks in (1 / 64, 0.25, 1, 4, 64, 1000)] == [0, 16, 24, 32, 48, 48]


def layers() -> nn.Module:
    """Linear layers at the paths of the built-in backbone's."""
    root = nn.Module()
    for target, (out, into) in SHAPES.items():
        *path, last = target.partition("/")[2].split(".")
        here = root
        for name in path:
            if not hasattr(here, name):
                here.add_module(name, nn.Module())
            here = getattr(here, name)
        here.add_module(last, nn.Linear(into, out, bias=False))
    return root


@pytest.mark.parametrize("name", sorted(PRESET.methods))
@pytest.mark.parametrize("stop", [0, 24, 36])
def test_the_bytes_are_those_of_a_saved_adapter(tmp_path: Path, name: str, stop: int) -> None:
    method, _ = sized(name, PRESET, budget_scale(SHAPES)[stop], SHAPES, allow_over=True)
    parts = {"unet": layers()}
    attachment = method.attach(parts, list(SHAPES), PLAN)
    optimizer = attachment.optimizer(0.1)
    for step in range(2):
        attachment.before_forward(step)
        layers_loss(parts["unet"]).backward()
        optimizer.step()
    attachment.save(tmp_path)
    write_card(tmp_path, method, "builtin", "0" * 64, list(SHAPES), PLAN)
    real = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    expected = expected_bytes(method, "builtin", SHAPES, PLAN, attachment.measured())
    assert abs(expected - real) < 0.05 * real


def layers_loss(unet: nn.Module) -> torch.Tensor:
    """A number that depends on every layer."""
    total = torch.zeros(())
    for target, (_, into) in SHAPES.items():
        layer = unet.get_submodule(target.partition("/")[2])
        total = total + layer(torch.ones(1, into)).square().mean()
    return total
