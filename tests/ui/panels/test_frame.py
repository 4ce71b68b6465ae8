"""The frame of the page: scripts, header and run strip, in every state and in their words."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from sparse_peft.methods import method_named
from sparse_peft.report.marks import identities, mark_svg
from sparse_peft.runs.run import RunDirectory
from sparse_peft.ui.comparisons import naming
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.header import board as header
from sparse_peft.ui.panels.history import board as history
from sparse_peft.ui.panels.strip import board as strip
from sparse_peft.ui.watch.watching import watcher
from tests.ui.at_work import begin, end, prepared
from tests.ui.boards import Checked, drawn, words
from tests.ui.compared import HOSTILE, desk_at
from tests.ui.own_desk import own_desk, plan_of, started

PANELS = Path(strip.__file__).parents[1]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as found:
        yield found


# Scripts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["studio", "header", "strip", "history"])
def test_scripts_are_short_and_looks_have_no_hue(name: str) -> None:
    scripts = sorted(PANELS.glob(f"{name}/*.js"))
    assert scripts
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 60, path
        assert "EventSource" not in text  # each would take one of a browser's six connections
        assert not re.search(r"https?://", text)
    for path in PANELS.glob(f"{name}/*.css"):
        assert not re.search(r"#[0-9a-f]{3,8}\b", path.read_text(encoding="utf-8"), re.I)


def test_scripts_look_for_what_the_boards_draw(desk: Desk) -> None:
    """A class or a data name in a script that nothing draws is a typing mistake."""
    _, plan = prepared(desk)
    started(desk, seed=5)
    end(desk, plan.runs[0].run, "interrupted")
    newest = watcher(desk.home).owned(desk.owner).comparisons[-1]
    html = drawn(header, desk) + drawn(strip, desk) + drawn(history, desk, rename=newest)
    html += drawn(history, desk, delete=newest)
    own = {"history-dialog"}  # what the scripts themselves make
    boards = ("header", "strip", "history")
    for path in [path for name in boards for path in sorted((PANELS / name).glob("*.js"))]:
        text = path.read_text(encoding="utf-8")
        for name in set(re.findall(r"[.\"](?:header|strip|history)-[a-z]+", text)):
            assert name[1:] in html or name[1:] in own, (path.name, name)
        for value in re.findall(r"\[data-(?:header|strip|history)=(\w+)\]", text):
            assert f'="{value}"' in html, (path.name, value)


# The header -------------------------------------------------------------------------------


def test_the_header_has_all_ways_and_the_list_of_keys(desk: Desk) -> None:
    html = drawn(header, desk)
    found = Checked(html)
    assert words(html).startswith(
        "Skip to the steps Sparse PEFT Studio Menu See an example History Keys ?"
    )
    assert found.refer("aria-controls") | found.refer("aria-labelledby") <= set(found.ids)
    assert ("a", {"class": "skip", "href": "#steps"}) in found.tags
    for key in ("Tab", "Esc", "PageUp", "Home", "Delete", "B", "P", "Enter", "?"):
        assert f"<kbd>{key}</kbd>" in html
    assert "hold it: every cell shows the base" in words(html)
    assert header.render(desk, {}) == header.render(desk_at(Path("nowhere")), {})


# The strip --------------------------------------------------------------------------------


def test_there_is_no_strip_while_nothing_runs(desk: Desk) -> None:
    value = strip.render(desk, {})
    assert value["html"] == ""
    assert value["data"]["busy"] is False
    assert set(value["data"]["versions"]) >= {"strip", "history", "server"}


def test_the_strip_is_as_it_was_sketched(desk: Desk) -> None:
    _, plan = prepared(desk, steps=50, methods=("lora", "waveft", "so"))
    lora, waveft, _ = (run.run for run in plan.runs)
    begin(desk, lora)
    end(desk, lora)
    log = begin(desk, waveft)
    log.emit("stage", text="Training", done=1, of=3)
    for step in range(1, 32):
        log.emit("step", step=step, loss=0.5, step_ms=1000.0)
    html = drawn(strip, desk)
    assert re.fullmatch(
        r"LoRA done WaveFT 62 % SO next 1 min \d+ s left Open Stop "
        r"Stop and keep what it learned Stop and discard", words(html),
    )  # fmt: skip
    looks = identities((name, method_named(name).family) for name in ("lora", "waveft", "so"))
    for look in looks.values():
        assert mark_svg(look) in html
    assert strip.render(desk, {})["data"]["busy"] is True


def test_the_strip_says_what_comes_before_the_training(desk: Desk) -> None:
    comparison = started(desk, methods=("lora",))
    assert "Waiting: it is next." in words(drawn(strip, desk))
    log = begin(desk, plan_of(desk, comparison).prepare)
    assert "LoRA next Starting 0 s" in words(drawn(strip, desk))
    log.emit("stage", text="Loading the backbone", done=0, of=4)
    html = drawn(strip, desk)
    assert "Loading the backbone (first time about 10 s) 0 s" in words(html)
    assert 'data-elapsed="0"' in html
    log.emit("stage", text="Drawing the base's pictures", done=3, of=4)
    assert "Drawing the base's pictures 0 s" in words(drawn(strip, desk))
    log.emit("stage", text="<b>A & B</b>", done=3, of=4)
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in drawn(strip, desk)


def test_a_second_comparison_waits_by_name(desk: Desk) -> None:
    prepared(desk, methods=("lora",))
    second = started(desk, seed=3)
    naming.write(desk.home, second, HOSTILE[: naming.LONGEST_NAME])
    html = drawn(strip, desk)
    assert "Waiting: 1 run before this one." in words(html)
    assert "Cat, " in words(html)
    assert "<script" not in html
    assert HOSTILE[: naming.LONGEST_NAME] in words(html)


def test_an_interrupted_comparison_offers_to_resume(desk: Desk) -> None:
    _, plan = prepared(desk, methods=("lora",), steps=200)
    log = begin(desk, plan.runs[0].run)
    for step in range(1, 121):
        log.emit("step", step=step, loss=1.0)
    log.emit("checkpoint", step=100)
    end(desk, plan.runs[0].run, "interrupted")
    html = drawn(strip, desk)
    assert "Interrupted at step 120: its process ended. Saved up to step 100. Resume" in words(html)
    assert '{"do": "resume", "comparison": ' in unescape(html)
    assert strip.render(desk, {})["data"]["busy"] is False


def test_a_stopping_run_cannot_be_stopped_again(desk: Desk) -> None:
    _, plan = prepared(desk, methods=("lora",))
    begin(desk, plan.runs[0].run)
    RunDirectory.of(desk.home, plan.runs[0].run).request_cancel("keep")
    assert words(drawn(strip, desk)).startswith("LoRA stopping")
    assert "Stop" not in words(drawn(strip, desk))


def test_many_runs_are_told_in_brief(desk: Desk) -> None:
    _, plan = prepared(desk, methods=("lora", "waveft", "so"), train_seeds=3)
    for run in plan.runs[:2]:
        begin(desk, run.run)
        end(desk, run.run)
    begin(desk, plan.runs[2].run).emit("stage", text="Drawing the test pictures", done=2, of=3)
    assert words(drawn(strip, desk)).startswith("2 done SO drawing 6 next")


def test_some_runs_are_told_in_full_and_in_brief(desk: Desk) -> None:
    _, plan = prepared(desk, methods=("lora", "so"), train_seeds=2)
    begin(desk, plan.runs[0].run).emit("stage", text="Loading the backbone", done=0, of=3)
    html = drawn(strip, desk)
    assert words(html).startswith(
        "LoRA loading SO next LoRA 2 waits SO 2 waits LoRA loading 3 next"
    )
    assert html.count("strip-full") == html.count("strip-brief") == 1


def test_an_error_stands_in_the_strip(desk: Desk) -> None:
    html = strip.render(desk, {"run": "<i>No</i> such run.", "steps": "Not here."})["html"]
    assert '<p class="error" role="alert">&lt;i&gt;No&lt;/i&gt; such run.</p>' in html
    assert "Not here." not in html  # the error of another board
