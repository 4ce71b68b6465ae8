"""`compare` given again, changed, or stopped, before any work begins."""

import pytest

from sparse_peft.commands import compare
from sparse_peft.commands.out_notes import remember
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import new_id
from sparse_peft.runs.store import Store

from .desk import Desk


def test_the_same_command_goes_on_with_the_same_comparison(desk: Desk) -> None:
    first, content = compare._submitted(desk.parsed())
    assert compare._submitted(desk.parsed()) == (first, content)
    assert len(desk.plans()) == 1


def test_paths_are_understood_from_where_the_command_is_given(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, content = compare._submitted(desk.parsed())
    (desk.root / "elsewhere").mkdir()
    monkeypatch.chdir(desk.root / "elsewhere")
    same = {name: f"../{name}" for name in ("pictures", "out")}
    files_ = {"preset": "../tiny.toml", "prompts": "../prompts.txt"}
    assert compare._submitted(desk.parsed(**same, **files_)) == (first, content)


def test_a_changed_command_is_a_new_comparison(desk: Desk) -> None:
    first, _ = compare._submitted(desk.parsed())
    second, content = compare._submitted(desk.parsed(steps=9))
    assert first != second
    assert content.runs[0].training.steps == 9
    assert compare._submitted(desk.parsed(steps=9))[0] == second


def test_a_comparison_that_is_gone_does_not_stand_in_the_way(desk: Desk) -> None:
    remember(desk.home, desk.out, new_id())
    comparison, _ = compare._submitted(desk.parsed())
    with Store(desk.home) as store:
        assert store.comparisons() == [comparison]


def test_going_on_puts_back_what_stopped_but_not_what_was_discarded(desk: Desk) -> None:
    comparison, content = compare._submitted(desk.parsed())
    waveft, lora, so = (run.run for run in content.runs)
    with Store(desk.home) as store:
        store.end(content.prepare, "finished")
        store.end(waveft, "interrupted")
        store.end(so, "failed", error="It broke.")
    client.cancel(desk.home, lora, "discard")
    assert compare._submitted(desk.parsed())[0] == comparison
    with Store(desk.home) as store:
        states = {row.id: row.state for row in store.runs()}
    assert (states[waveft], states[lora], states[so]) == ("queued", "cancelled", "queued")


def test_stopping_takes_back_what_waits(desk: Desk) -> None:
    comparison, content = compare._submitted(desk.parsed())
    compare._stop(desk.home, comparison)
    with Store(desk.home) as store:
        assert {row.state for row in store.runs(comparison)} == {"cancelled"}
    for run in (content.prepare, *(run.run for run in content.runs)):
        assert RunDirectory.of(desk.home, run).cancel_requested() in ("keep", None)
    assert compare._submitted(desk.parsed())[0] == comparison
    with Store(desk.home) as store:
        assert {row.state for row in store.runs(comparison)} == {"queued"}
