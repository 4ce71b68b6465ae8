"""`compare --set`: settings of methods as typed, on their way into the plan or refused in words."""

import shlex
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.commands import compare, parser
from sparse_peft.methods.so import SO
from sparse_peft.outcome import outcome
from sparse_peft.planning import ComparisonPlan
from sparse_peft.runs.run import RunDirectory

from .desk import Desk

Capture = pytest.CaptureFixture[str]


def words(desk: Desk, *settings: str, **changes: object) -> list[str]:
    return [*desk.options(**changes), *(f"--set={setting}" for setting in settings)]


def submitted(desk: Desk, given: list[str]) -> tuple[str, ComparisonPlan]:
    options = parser.build(desk.home).parse_args(given)
    options.home = desk.home
    comparison, plan = compare._submitted(options)
    assert isinstance(plan, ComparisonPlan)
    return comparison, plan


def fields(desk: Desk, plan: ComparisonPlan, method: str) -> dict[str, object]:
    run = next(run.run for run in plan.runs if run.method == method)
    found: dict[str, object] = RunDirectory.of(desk.home, run).spec.settings["fields"]
    return found


def refused(desk: Desk, capsys: Capture, *settings: str, **changes: object) -> str:
    assert main(words(desk, *settings, **changes)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert desk.plans() == []
    return said.removeprefix("error: ").rstrip("\n")


def test_what_is_set_is_as_if_it_stood_in_the_preset(desk: Desk) -> None:
    typed = [
        "waveft.wavelet_family=db4", "waveft.per_layer_seed=true", "waveft.scaling=10",
        "waveft.random_loc_seed=5", "waveft.lr=3e-3", "lora.alpha=2.5", "so.prune=before",
    ]  # fmt: skip
    _, plan = submitted(desk, words(desk, *typed))
    assert plan.preset == "tiny.toml, changed"
    assert [run.training.lr for run in plan.runs] == [3e-3, 1e-2, 1e-2]
    own = fields(desk, plan, "waveft")
    assert (own["wavelet_family"], own["per_layer_seed"]) == ("db4", True)
    assert (own["scaling"], own["random_loc_seed"]) == (10.0, 5)
    assert fields(desk, plan, "lora")["alpha"] == 2.5
    assert fields(desk, plan, "so")["prune"] == "before"
    (desk.root / "more.toml").write_text(
        (desk.root / "tiny.toml").read_text().replace(
            "[methods.waveft]\nlr = 1e-2",
            '[methods.waveft]\nlr = 3e-3\n[methods.waveft.fields]\nwavelet_family = "db4"\n'
            "per_layer_seed = true\nscaling = 10\nrandom_loc_seed = 5",
        )
    )  # fmt: skip
    _, written = submitted(desk, words(desk, preset="more.toml", out="more"))
    assert fields(desk, written, "waveft") == own


def test_nothing_stands_for_what_a_method_takes_by_itself(desk: Desk) -> None:
    with (desk.root / "tiny.toml").open("a") as preset:
        preset.write("[methods.lora.fields]\nalpha = 3.0\n")
    assert fields(desk, submitted(desk, words(desk))[1], "lora")["alpha"] == 3.0
    _, plan = submitted(desk, words(desk, "lora.alpha=none", out="more"))
    assert fields(desk, plan, "lora")["alpha"] is None


def test_what_the_preset_says_already_changes_nothing(desk: Desk) -> None:
    _, plan = submitted(desk, words(desk, "waveft.lr=0.01", f"so.T={SO().T}"))
    assert plan.preset == "tiny.toml"


def test_a_rate_makes_a_method_of_one_that_the_preset_has_none_for(
    desk: Desk, capsys: Capture
) -> None:
    said = refused(desk, capsys, "oft.weight_decay=0", methods="oft")
    assert "has no learning rate for oft" in said
    assert "Give one with --set oft.lr=NUMBER, leave oft out" in said
    _, plan = submitted(desk, words(desk, "oft.lr=1e-3", methods="oft"))
    assert plan.runs[0].training.lr == 1e-3


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("wavft.lr=1", "--set wavft.lr=1: unknown method 'wavft'. Did you mean 'waveft'? Known: a"),
        ("snell.dropout=0.1", "--set snell.dropout=0.1: snell is not compared. Add it to --method"),
        ("linear_probe.lr=1", "linear_probe is a reference; it has no settings."),
        ("waveft.wavelet=db4", "--set waveft.wavelet=db4: waveft has no setting 'wavelet'. Did you "
         "mean 'wavelet_family'? Known: lr, scaling, wavelet_family, random_loc_seed, "),
        ("waveft.wavelet_family=db99", "--set waveft: wavelet_family is 'db99'; expected db1 to "),
        ("waveft.scaling=strong", "--set waveft.scaling is 'strong'; expected float."),
        ("waveft.scaling=nan", "--set waveft.scaling is nan; expected a finite number."),
        ("waveft.random_loc_seed=1.5", "--set waveft.random_loc_seed is '1.5'; expected int."),
        ("waveft.proportional=1", "--set waveft.proportional is '1'; expected bool."),
        ("waveft.scaling=none", "--set waveft.scaling is 'none'; expected float."),
        ("so.prune=befor", "--set so.prune is 'befor'; expected 'after' or 'before'. Did you mean"),
        ("lora.dropout=2", "--set lora: dropout is 2.0; expected 0 to below 1."),
        ("lora.lr=0", "--set lora: lr is 0.0; use a number above 0."),
        ("lora.lr=fast", "--set lora.lr is 'fast'; expected float."),
        ("lora.rank=8", "--set lora.rank=8: --budget decides rank of lora."),
        ("waveft.coefficients=8", "--budget decides coefficients of waveft."),
        ("so.density=0.1", "--budget decides density of so."),
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_refused_in_one_line(
    desk: Desk, capsys: Capture, setting: str, said: str
) -> None:
    assert said in refused(desk, capsys, setting)


def test_a_setting_is_named_once(desk: Desk, capsys: Capture) -> None:
    said = refused(desk, capsys, "waveft.lr=1", "waveft.lr=2")
    assert said == "--set names waveft.lr twice; name each once."


@pytest.mark.parametrize("text", ["waveft.lr", "lr=1", "=", "waveft.=1"])
def test_what_is_no_setting_is_refused(desk: Desk, capsys: Capture, text: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(words(desk, text))
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"--set: {text!r} is not METHOD.FIELD=VALUE, such as waveft.lr=3e-3." in said


def test_another_setting_is_another_comparison(desk: Desk) -> None:
    first, _ = submitted(desk, words(desk, "waveft.scaling=10"))
    assert submitted(desk, words(desk, "waveft.scaling=10"))[0] == first
    assert submitted(desk, words(desk, "waveft.scaling=20"))[0] != first


def test_the_printed_command_runs_and_asks_for_the_same(desk: Desk, capsys: Capture) -> None:
    low = {"budget": 500, "preset": "quick"}
    said = refused(desk, capsys, **low)
    assert said.endswith("or give --allow-over-budget to train them at their smallest.")
    given = words(desk, "lora.rslora=true", "so.lr=2e-3", "waveft.wavelet_family=sym4", **low)
    first, plan = submitted(desk, [*given, "--allow-over-budget"])
    assert {run.method: run.over_budget for run in plan.runs}["lora"]
    typed = outcome(desk.home, first).command.replace("--prompts FILE", "--prompts prompts.txt")
    typed = typed.replace("--pictures DIR", "--pictures pictures").replace("--out DIR", "--out out")
    assert submitted(desk, shlex.split(typed)[3:]) == (first, plan)
    assert Path("out").absolute() == desk.out
