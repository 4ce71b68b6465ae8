"""Estimates say what finished runs took, and say so when nothing tells."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.runs.spec import RunSpec, new_id
from sparse_peft.runs.store import Store
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.estimates import outlook as estimates
from sparse_peft.ui.estimates.chosen import Chosen, chosen, trainings
from sparse_peft.ui.estimates.measured import training_key
from sparse_peft.ui.estimates.outlook import NOT_KNOWN, Estimate, Outlook, about, outlook
from tests.ui.measured_home import leave_prepare, leave_probe, leave_training
from tests.ui.own_desk import own_desk, started


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(estimates.devices, "slots", lambda *_: ("cpu-0", "cpu-1"))
    with own_desk(tmp_path, monkeypatch) as desk:
        desk.change(steps=100)
        yield desk


def here(desk: Desk) -> Chosen:
    found = chosen(desk)
    assert found is not None
    return found


def looked(desk: Desk) -> Outlook:
    return outlook(desk, here(desk))


def settings(desk: Desk, name: str = "lora") -> Any:
    return trainings(here(desk), (name,))[0]


def test_where_nothing_was_measured_nothing_is_said(desk: Desk) -> None:
    found = looked(desk)
    assert found.methods["lora"] == Estimate(None, NOT_KNOWN)
    assert (found.seconds, found.lanes, found.queue) == (None, 2, "")


def test_finished_runs_tell_scaled_by_steps(desk: Desk) -> None:
    leave_training(desk, settings(desk), step_ms=200, around=10)
    leave_training(desk, settings(desk), step_ms=300, around=14)
    assert looked(desk).methods["lora"].seconds == pytest.approx(0.25 * 100 + 12)
    assert looked(desk).methods["lora"].origin == "from 2 runs on this machine"
    assert looked(desk).methods["waveft"].origin == NOT_KNOWN
    desk.change(steps=1000)
    # Pictures are drawn after every step but the last, and six at the end.
    drawn = 12 * (999 + 6) / (99 + 6)
    assert looked(desk).methods["lora"].seconds == pytest.approx(0.25 * 1000 + drawn)


def test_one_run_is_one_run_and_another_backbone_or_batch_tells_nothing(desk: Desk) -> None:
    asked = settings(desk)
    leave_training(desk, asked, step_ms=200, around=10)
    assert looked(desk).methods["lora"].origin == "from 1 run on this machine"
    key = training_key(asked)
    for name, value in (("backbone", "other/one"), ("precision", "bf16"), ("resolution", 128)):
        assert training_key(replace(asked, shared=replace(asked.shared, **{name: value}))) != key


def test_runs_beside_another_tell_what_two_slots_give(desk: Desk) -> None:
    leave_training(desk, settings(desk), step_ms=100, around=5, beside=0)
    leave_training(desk, settings(desk), step_ms=300, around=5, beside=1)
    assert looked(desk).methods["lora"].seconds == pytest.approx(35)
    desk.change(methods=("lora",))
    assert looked(desk).methods["lora"].seconds == pytest.approx(15)


def test_a_resumed_or_damaged_run_is_no_measure(desk: Desk) -> None:
    run = leave_training(desk, settings(desk), step_ms=100, around=5)
    report = desk.home / "runs" / run / "report.json"
    report.write_text("{")
    assert looked(desk).methods["lora"].origin == NOT_KNOWN


def test_a_comparison_is_its_prepare_run_and_two_at_a_time(desk: Desk) -> None:
    for name in ("lora", "waveft", "so"):
        leave_training(desk, settings(desk, name), step_ms=200, around=10)
    assert looked(desk).seconds is None
    leave_prepare(desk, settings(desk).shared, seconds=7)
    assert looked(desk).seconds == pytest.approx(7 + 2 * 30)
    desk.change(train_seeds=2)
    assert looked(desk).seconds == pytest.approx(7 + 3 * 30)
    desk.change(train_seeds=1, methods=("so",))
    assert looked(desk).seconds == pytest.approx(7 + 30)


def test_a_probe_tells_until_a_run_has_finished(desk: Desk) -> None:
    asked = settings(desk)
    leave_probe(desk, ProbeSettings(asked.shared.backbone, (asked,)))
    lora = looked(desk).methods["lora"]
    pictures = 99 + 3 + 3  # on the way, at the end, ordinary ones
    assert lora.seconds == pytest.approx(0.05 * 100 + 3 + 0.5 * pictures)
    assert lora.origin == "measured on this machine"
    leave_training(desk, asked, step_ms=200, around=10)
    assert looked(desk).methods["lora"].origin == "from 1 run on this machine"


CARD = {"id": "cuda:0", "name": "a card", "memory_gib": 12.0, "free_gib": 11.2}
GPU = {"devices": [{"id": "cpu"}, CARD], "device": "a card"}


def row(peak_mib: float | None, fits: bool = True) -> dict[str, Any]:
    return {
        "method": "lora", "active": 18_816, "step_ms": 50.0 if fits else None,
        "peak_mib": peak_mib, "fits": fits,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("peak_mib", "words", "too_large"),
    [
        (9.8 * 1024, "needs 9.8 GB; 11.2 of 12 GB are free", False),
        (14.1 * 1024, "Will not fit: needs 14.1 GB, 11.2 GB are free. Choose SD 1.5.", True),
    ],
)
def test_the_memory_of_a_card(desk: Desk, peak_mib: float, words: str, too_large: bool) -> None:
    desk.change(stop=24)
    asked = settings(desk)
    probe = ProbeSettings(asked.shared.backbone, (asked,))
    leave_probe(desk, probe, **GPU, trainings=[row(peak_mib)])
    lora = looked(desk).methods["lora"]
    assert (lora.memory, lora.too_large) == (words, too_large)
    assert looked(desk).lanes == 1


def test_more_trainable_values_need_more_memory(desk: Desk) -> None:
    desk.change(stop=24)
    asked = settings(desk)
    probe = ProbeSettings(asked.shared.backbone, (asked,))
    leave_probe(desk, probe, **GPU, trainings=[row(1024.0)])
    assert looked(desk).methods["lora"].memory.startswith("needs 1.0 GB")
    desk.change(stop=48)
    assert looked(desk).methods["lora"].memory.startswith("needs 1.0 GB")
    leave_probe(desk, probe, **GPU, trainings=[row(1024.0) | {"active": -(1 << 26)}])
    assert looked(desk).methods["lora"].memory.startswith("needs 2.0 GB")


def test_what_ran_out_of_memory_will_not_fit(desk: Desk) -> None:
    asked = settings(desk)
    probe = ProbeSettings(asked.shared.backbone, (asked,))
    leave_probe(desk, probe, **GPU, trainings=[row(None, fits=False)])
    lora = looked(desk).methods["lora"]
    assert (lora.seconds, lora.too_large) == (None, True)
    assert lora.memory == "Will not fit: its memory ran out when it was measured."


def test_the_queue_is_said_before_start(desk: Desk) -> None:
    with Store(desk.home) as store:
        store.submit(None, [RunSpec(new_id(), "probe", "o" + "c" * 16, None, {})])
    assert looked(desk).queue == "1 run is before yours."
    started(desk)
    assert looked(desk).queue == "5 runs are before yours."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "about 5 s"), (52, "about 50 s"), (108, "about 1 min 50 s"), (367, "about 6 min 10 s"),
     (5000, "about 1 h 23 min")],
)  # fmt: skip
def test_an_estimate_is_no_more_exact_than_it_is(seconds: float, words: str) -> None:
    assert about(seconds) == words
