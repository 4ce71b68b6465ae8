import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

import sparse_peft.methods as registry
from sparse_peft.errors import SpecError
from sparse_peft.maths.so.support_sizes import expected_union
from sparse_peft.methods import all_methods, method_named
from sparse_peft.methods.fields import settings
from sparse_peft.methods.method import Plan
from sparse_peft.methods.so import SO
from sparse_peft.methods.waveft import WaveFT

SHAPES = {f"unet/{n}": (64, 32 + 32 * (n % 2)) for n in range(6)} | {"text_encoder/q": (48, 20)}


def test_every_method_of_the_folder_is_found_by_name():
    assert {"lora", "so", "waveft"} <= set(all_methods())
    for name, kind in all_methods().items():
        assert kind.name == name
        assert method_named(name) is kind
        assert "arXiv:" in kind.source


def test_the_readme_says_of_each_method_what_the_page_says():
    table = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+) \| ([A-Z][^|]+\.) \| \[", table, re.M))
    assert rows == {kind.label: kind.sentence for kind in all_methods().values()}


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(SpecError, match=r"'wavft'. Did you mean 'waveft'\? Known: .*lora.*so"):
        method_named("wavft")
    with pytest.raises(SpecError, match=r"unknown method 'zzz'. Known: "):
        method_named("zzz")


def test_two_methods_of_one_name_are_an_error(monkeypatch):
    @dataclass
    class Second:
        name: ClassVar[str] = "lora"

        def attach(self) -> None: ...

    second = ModuleType("sparse_peft.methods.second")
    Second.__module__ = second.__name__
    second.Second = Second
    monkeypatch.setitem(sys.modules, second.__name__, second)
    entry = type("Entry", (), {"name": "second"})
    found = list(registry.pkgutil.iter_modules(registry.__path__))
    monkeypatch.setattr(registry.pkgutil, "iter_modules", lambda _: [*found, entry])
    all_methods.cache_clear()
    with pytest.raises(ValueError, match="both name their method 'lora'"):
        all_methods()
    monkeypatch.undo()
    all_methods.cache_clear()


def test_every_setting_documents_itself_for_a_form():
    for kind in all_methods().values():
        for setting in settings(kind):
            assert setting.help.endswith(".")
            ast.parse(setting.type, mode="eval")
            json.dumps(setting.default)
            assert not setting.required
    [density, steps, _] = settings(SO)
    assert (density.name, density.type, density.default) == ("density", "float", 5e-4)
    assert steps.help.startswith("Steps for which")


def test_sizing_naming_and_counting_import_no_torch():
    code = (
        "import sys\n"
        "from sparse_peft.methods import all_methods\n"
        "from sparse_peft.methods.fields import settings\n"
        "from sparse_peft.methods.file_sizes import expected_bytes\n"
        "from sparse_peft.methods.method import Plan\n"
        "shapes = {'a/b': (64, 64)}\n"
        "for kind in all_methods().values():\n"
        "    made = kind().fit(1000, shapes)\n"
        "    settings(kind), made.knob(shapes), made.budget_range(shapes)\n"
        "assert not {'torch', 'peft', 'pywt', 'numpy'} & set(sys.modules)\n"
        "for kind in all_methods().values():\n"
        "    made, plan = kind().fit(1000, shapes), Plan(10, 0)\n"
        "    expected_bytes(made, 'toy', shapes, plan, made.footprint(shapes, plan))\n"
        "assert not {'torch', 'peft'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("budget", [7, 8, 50, 1000, 1001, 12_345, 19_000])
def test_so_spends_the_budget_to_within_one_entry_a_weight(budget):
    fitted = SO().fit(budget, SHAPES)
    active = fitted.footprint(SHAPES, Plan(1, 0)).active
    assert budget - len(SHAPES) < active <= budget
    assert len(str(fitted.density)) <= 12


def test_the_union_that_so_expects_grows_with_its_refreshes():
    sizes = [out * in_ for out, in_ in SHAPES.values()]
    made = SO(density=0.01, T=10)
    kept = [max(1, n // 100) for n in sizes]
    for steps, refreshes in [(1, 1), (10, 1), (11, 2), (500, 50)]:
        footprint = made.footprint(SHAPES, Plan(steps, 0))
        expected = sum(expected_union(n, k, refreshes) for n, k in zip(sizes, kept, strict=True))
        assert footprint.support == round(expected)
        assert footprint.stored == 2 * footprint.support
        assert footprint.estimated


@pytest.mark.parametrize("proportional", [False, True])
def test_waveft_takes_the_most_that_fits(proportional):
    kind = WaveFT(proportional=proportional)
    smallest, step = kind.budget_range(SHAPES)
    for budget in (smallest, 200, 5000):
        fitted = kind.fit(budget, SHAPES)
        assert sum(fitted.counts(SHAPES)) <= budget
        assert sum(fitted.counts(SHAPES)) > budget - 2 * step
    whole = kind.fit(10**12, SHAPES)
    sizes = [out * in_ for out, in_ in SHAPES.values()]
    assert all(count <= size for count, size in zip(whole.counts(SHAPES), sizes, strict=True))


def test_waveft_gives_a_small_weight_what_it_can_hold_and_the_rest_to_the_others():
    shapes = {"net/small": (2, 3), "net/large": (50, 50)}
    fitted = WaveFT().fit(106, shapes)
    assert fitted.coefficients == 100
    assert fitted.counts(shapes) == [6, 100]


def test_waveft_refuses_a_share_that_is_more_than_its_weight():
    with pytest.raises(SpecError, match=r"more than the \d+ entries of unet/0"):
        WaveFT(coefficients=10**6, proportional=True).counts(SHAPES)


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        (WaveFT, {"coefficients": 0}, "coefficients"),
        (WaveFT, {"scaling": 0.0}, "scaling"),
        (WaveFT, {"random_loc_seed": -1}, "random_loc_seed"),
        (WaveFT, {"wavelet_family": "db99"}, "wavelet_family"),
        (WaveFT, {"weight_decay": -1.0}, "weight_decay"),
        (SO, {"density": 0.0}, "density"),
        (SO, {"density": 1.5}, "density"),
        (SO, {"T": 0}, "T"),
    ],
)
def test_impossible_settings_are_refused_by_name(kind, values, name):
    with pytest.raises(SpecError, match=f"^{name} is "):
        kind(**values)


def test_knobs_read_like_words():
    assert SO(density=0.009).knob(SHAPES) == "density 0.9 %"
    assert SO(density=1.0).knob(SHAPES) == "density 100 %"
    assert SO(density=5e-5).knob(SHAPES) == "density 0.005 %"
    assert WaveFT(coefficients=499).knob(SHAPES) == "499 per layer"
