"""History: its rows in every state, and the second click before anything is deleted."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import new_id
from sparse_peft.ui.clicks.looking import PAGE_ROWS
from sparse_peft.ui.comparisons import naming, shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.history import board as history
from sparse_peft.ui.panels.history import row as history_row
from sparse_peft.ui.panels.history import shipped as history_shipped
from sparse_peft.ui.panels.history.row import Row
from sparse_peft.ui.watch.watching import watcher
from tests.ui.at_work import begin, end, prepared
from tests.ui.boards import Checked, drawn, words
from tests.ui.compared import HOSTILE, desk_at
from tests.ui.kept import keep
from tests.ui.own_desk import end_all, own_desk, plan_of, started


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as found:
        yield found


def test_an_empty_history_points_to_the_example(desk: Desk) -> None:
    html = drawn(history, Desk(desk.studio, "o" + "7" * 16))
    assert "Your comparisons will appear here. See an example" in words(html)
    assert words(html).count(" Example ") == len(history_shipped.examples())
    assert "Delete" not in words(html)
    assert f'"do": "open", "comparison": "{shipped.FITTING}"' in unescape(html)
    assert '"do": "open", "comparison": "example"' in unescape(html)


def test_the_example_is_read_only_and_has_its_pictures() -> None:
    row = history_shipped.examples()[0]
    html = history_row.html_of(desk_at(Path("x")), row, ticks=True, rename=False, delete=False)
    Checked(html)
    assert words(html) == "A cat, finished Example WaveFT LoRA SO Done · 139,776 values Open"
    found = re.findall(r'src="/studio/example/([^"]+)"', html)
    assert len(found) == 4
    for path in found:
        assert (shipped.FOLDERS["example"] / path).is_file()


def test_a_row_has_pictures_name_methods_budget_state_and_date(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path)
    (RunDirectory.of(desk.home, plan_of(desk, comparison).prepare).path / "report.json").touch()
    text = words(drawn(history, desk))
    assert text.startswith(
        "History Close Cat, 18,816 values WaveFT LoRA SO Done · 18,816 values · "
    )
    assert re.search(
        r"\d+ \w+ 20\d\d, \d\d:\d\d UTC Open Rename Run again with changes Delete", text
    )
    html = drawn(history, desk)
    plan = plan_of(desk, comparison)
    assert f'src="/studio/files/{plan.prepare}/samples/base/p00-s0.png"' in html
    assert html.count('class="history-none"') == 3  # the fake runs end at a step of their own


def test_pictures_on_the_way_are_shown(desk: Desk) -> None:
    _, plan = prepared(desk, methods=("lora",))
    log = begin(desk, plan.runs[0].run)
    for step in (1, 2):
        path = f"samples/step{step:06}/p00-s0.png"
        file = RunDirectory.of(desk.home, plan.runs[0].run).path / path
        file.parent.mkdir(parents=True)
        file.touch()
        log.emit("sample", step=step, prompt=0, seed=0, path=path)
    html = drawn(history, desk)
    assert f'src="/studio/files/{plan.runs[0].run}/samples/step000002/p00-s0.png"' in html
    assert "Running" in words(html)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("queued", "queued", "queued", "queued"), "Waiting"),
        (("running", "queued", "queued", "queued"), "Running"),
        (("finished", "finished", "interrupted", "queued"), "Interrupted"),
        (("finished", "finished", "running", "interrupted"), "Running"),
        (("finished", "finished", "finished", "failed"), "Done, 1 of 3 failed"),
        (("finished", "finished", "cancelled", "failed"), "Done, 1 of 3 failed, 1 of 3 stopped"),
        (("failed", "failed", "failed", "failed"), "Failed"),
        (("finished", "cancelled", "cancelled", "cancelled"), "Stopped"),
    ],
)
def test_the_state_of_a_comparison_in_a_word(
    desk: Desk, states: tuple[str, ...], said: str
) -> None:
    comparison = started(desk, methods=("lora", "waveft", "so"))
    for row, state in zip(watcher(desk.home).rows(comparison), states, strict=True):
        end(desk, row.id, state)
    assert f"{said} · " in words(drawn(history, desk))


def test_hostile_names_are_text(desk: Desk) -> None:
    comparison = started(desk)
    name = HOSTILE[: naming.LONGEST_NAME]
    naming.write(desk.home, comparison, name)
    for view in ({}, {"rename": comparison}, {"delete": comparison}):
        html = drawn(history, desk, **view)
        assert "<script" not in html
        assert unescape(html).count(name) >= 1
    row = Row(HOSTILE, HOSTILE, (), ((HOSTILE, HOSTILE), (HOSTILE, None)), None, "Done", None)
    html = history_row.html_of(desk, row, ticks=True, rename=False, delete=False)
    Checked(html)
    assert "<script" not in html


def test_a_name_is_changed_in_its_row(desk: Desk) -> None:
    comparison = started(desk)
    html = drawn(history, desk, rename=comparison)
    assert f'<form class="history-name" data-comparison="{comparison}">' in html
    assert "Save Cancel" in words(html)
    assert "Run again" not in words(html)


def test_deleting_asks_once_more_and_says_what_goes(desk: Desk) -> None:
    comparison = started(desk)
    assert "It is at work. Stop it first, then delete it." in words(
        drawn(history, desk, delete=comparison)
    )
    end_all(desk, comparison)
    text = words(drawn(history, desk, delete=comparison))
    assert re.search(
        r"Deletes 3 runs, 3 pictures and [\d.]+ [kM]B\. This cannot be undone\. Delete Keep it",
        text,
    )
    assert '"do": "delete"' in unescape(drawn(history, desk, delete=comparison))
    assert '"do": "delete"' not in unescape(drawn(history, desk))


def test_deleting_everything_asks_once_more(desk: Desk) -> None:
    started(desk)
    assert words(drawn(history, desk)).endswith("Delete everything of mine")
    text = words(drawn(history, desk, delete=history.EVERYTHING))
    assert re.search(r"Deletes 3 runs, .* This cannot be undone\. Delete everything Keep it$", text)
    assert len(history.EVERYTHING) != len(new_id())


def test_two_on_the_same_subject_can_be_ticked(desk: Desk) -> None:
    started(desk)
    assert "data-tick" not in drawn(history, desk)
    started(desk, seed=4)
    html = drawn(history, desk)
    found = Checked(html)
    assert len(found.refer("data-tick")) == 2
    assert len(found.refer("data-subject")) == 1


def test_nobody_sees_another_person_s_history(desk: Desk) -> None:
    comparison = started(desk)
    stranger = Desk(desk.studio, "o" + "7" * 16)
    for view in ({}, {"rename": comparison}, {"delete": comparison}):
        assert comparison not in drawn(history, stranger, **view)


def test_history_goes_back_fifty_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    template = history_shipped.examples()[0]
    ids = tuple(f"c{number:03}" for number in range(120))
    owned = watcher(desk.home).owned(desk.owner)
    monkeypatch.setattr(
        type(watcher(desk.home)), "owned",
        lambda *_: type(owned)(comparisons=ids),
    )  # fmt: skip
    monkeypatch.setattr(history, "row_of", lambda _, one: replace(template, id=one))
    html = drawn(history, desk)
    assert html.count('history-row"') == 50 + len(history_shipped.examples())
    assert "Older (50 more)" in words(html)
    assert 'id="history-c119"' in html
    assert 'id="history-c069"' not in html
    html = drawn(history, desk, rows="100")
    assert "Older (20 more)" in words(html)
    assert "Older" not in words(drawn(history, desk, rows="150"))
    assert history.render(desk, {})["data"] == {"rows": 50, "older": 70, "errors": False}


def test_a_page_of_rows_is_drawn_quickly(desk: Desk) -> None:
    for seed in range(4):
        started(desk, seed=seed)
    history.render(desk, {})
    taken = []
    for _ in range(5):
        began = time.thread_time()
        history.render(desk, {})
        taken.append(time.thread_time() - began)
    assert min(taken) / 5 * PAGE_ROWS < 0.2  # four rows and the example


def test_errors_stand_at_the_top_of_history(desk: Desk) -> None:
    value = history.render(desk, {"name": "The name has 90 letters; use 80 at most."})
    assert "use 80 at most." in value["html"]
    assert value["data"]["errors"] is True
