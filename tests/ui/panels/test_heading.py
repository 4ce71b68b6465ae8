"""The head of the Compare tab: every state in its words, every way on as a button."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.errors import RunError
from sparse_peft.report import words
from sparse_peft.runs.store import Store
from sparse_peft.ui.comparisons import shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.heading import board as heading
from sparse_peft.ui.panels.heading import said as heading_said
from sparse_peft.ui.panels.heading.states import rate
from sparse_peft.ui.panels.opened import Opened, opened
from sparse_peft.ui.watch.watching import Standing
from tests.report.test_page import Page
from tests.ui.compared import HOSTILE, asked, desk_at, live, made, of_class, parsed, with_live
from tests.ui.kept import keep

INFINITE = (
    "At step 37 the loss is not a finite number (learning rate 0.0003). Use a lower learning rate."
)
NO_MEMORY = "The memory did not suffice. Use a smaller batch. (CUDA out of memory.)"


@pytest.fixture
def three() -> Opened:
    return made()


def head(
    monkeypatch: pytest.MonkeyPatch, found: Opened | None, errors: dict[str, str] | None = None
) -> Page:
    monkeypatch.setattr(heading, "opened", lambda _: found)
    return parsed(heading.render(desk_at(Path("nowhere")), errors or {})["html"])


def waits(found: Opened, ahead: int, seconds: float | None) -> Opened:
    standing = Standing("c1", "waiting", live("prep"), (), None, ahead, seconds, None)
    return replace(found, standing=(standing,))


def test_an_empty_tab_leads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    page = head(monkeypatch, None)
    assert "Nothing to compare yet." in page.text
    assert "Choose methods and press Start, or see an example ." in page.text
    assert asked(page) == [{"do": "open", "comparison": shipped.FITTING}]


def test_what_is_not_there_is_said_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_: Desk) -> Opened:
        raise RunError(f"There is no comparison {HOSTILE!r} here.")

    monkeypatch.setattr(heading, "opened", lost)
    page = parsed(heading.render(desk_at(Path("nowhere")), {})["html"])
    assert "There is no comparison" in page.text
    assert "Nothing to compare yet." in page.text


def test_verdicts_against_each_column_that_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    page = head(monkeypatch, with_live(three))
    assert "What 6 pairs of pictures say" in page.text
    lists = {attrs["data-reference"]: attrs for attrs in of_class(page, "said")}
    assert set(lists) == {"base", "lora", "waveft", "so"}
    assert [name for name, attrs in lists.items() if "hidden" not in attrs] == ["lora"]
    for text, word in words.verdicts(three.comparison, "subject_fidelity"):
        assert f"{text} {word}" in page.text
    assert "From one training run each. A second run would move them too." in page.text
    assert {"do": "more_seeds", "comparison": "c1"} in asked(page)
    assert {"do": "again", "comparison": "c1"} in asked(page)
    assert "This link works in this browser only. To show others, send the report." in page.text


def test_a_training_shorter_than_the_presets_is_told(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    early = "Trained for 200 of the preset's 250 steps"
    assert early not in head(monkeypatch, three).text
    for run in three.comparison["runs"]:
        run["preset_steps"] = 250
    assert head(monkeypatch, three).text.count(early) == 1


def test_several_verdicts_stand_in_order_of_clarity(monkeypatch: pytest.MonkeyPatch) -> None:
    six = made(6)
    page = head(monkeypatch, six)
    chosen = next(attrs for attrs in of_class(page, "said") if "hidden" not in attrs)
    assert "heading-many" in str(chosen["class"])
    said = heading_said._list("lora", heading._said(six.comparison, "lora"), True)
    order = [said.find(word) for word in heading_said.WORDS if word in said]
    last = [said.rfind(word) for word in heading_said.WORDS if word in said]
    assert all(a < b for a, b in zip(last, order[1:], strict=False))
    assert "A stricter rule is used because six methods are compared." in page.text


def test_many_verdicts_are_gathered_beside_each_column(monkeypatch: pytest.MonkeyPatch) -> None:
    twelve = made(12)
    page = head(monkeypatch, twelve)
    lists = {attrs["data-reference"]: attrs for attrs in of_class(page, "heading-groups")}
    assert set(lists) == {"base", *(run["method"] for run in twelve.comparison["runs"])}
    assert [name for name, attrs in lists.items() if "hidden" not in attrs] == ["lora"]
    assert "All 66 pairs of methods" in page.text
    assert "A stricter rule is used because 12 methods are compared." in page.text


def test_the_example_is_marked_and_cannot_be_changed(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    page = head(monkeypatch, replace(three, id="example"))
    assert "Example" in page.said
    assert asked(page) == []
    assert "Rename" not in page.text


def test_the_queue_is_told_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    queued = with_live(three, prepare={"state": "queued"})
    for ahead, seconds, said in (
        (2, 180.0, "Waiting: 2 runs before this one, about 3 min."),
        (1, None, "Waiting: 1 run before this one."),
        (0, None, "Waiting: it is next."),
    ):
        assert said in head(monkeypatch, waits(queued, ahead, seconds)).text


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("Loading the backbone", "Loading the backbone (first time about 10 s) 4 s"),
        ("Drawing the base's pictures", "Drawing the base's pictures. 4 s"),
        (None, "Starting. 4 s"),
    ],
)
def test_what_all_share_is_made_first(
    monkeypatch: pytest.MonkeyPatch, three: Opened, stage: str | None, said: str
) -> None:
    prepare = {"state": "running", "stage": stage, "stage_seconds": 4.2}
    page = head(monkeypatch, with_live(three, prepare=prepare))
    assert said in page.text
    assert of_class(page, "heading-plain") != []
    assert {"do": "stop", "run": "prep", "keep": False} in asked(page)
    assert "Waiting" not in page.text


def test_a_run_at_work_can_be_stopped_in_two_ways(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    working = {"state": "running", "stage": "Training"}
    page = head(monkeypatch, with_live(three, waveft=working, so=working, lora=working))
    assert "Stop and keep what it learned" in page.text
    assert {"do": "stop", "run": "run-so", "keep": True} in asked(page)
    assert {"do": "stop", "run": "run-so", "keep": False} in asked(page)
    stopping = head(monkeypatch, with_live(three, so=working | {"stopping": True}))
    assert "Stopping after this step." in stopping.text
    assert not any(ask["do"] == "stop" for ask in asked(stopping))


@pytest.mark.parametrize(
    ("state", "said", "ask"),
    [
        (
            {"state": "interrupted", "step": 120, "saved": 100},
            "Interrupted at step 120: its process ended. Saved up to step 100.",
            {"do": "resume", "run": "run-so"},
        ),
        (
            {"state": "interrupted", "step": 20},
            "Interrupted at step 20: its process ended. Nothing was saved yet.",
            {"do": "resume", "run": "run-so"},
        ),
        (
            {"state": "failed", "error": INFINITE},
            "Stopped: the loss became infinite at step 37. Halve the learning rate (5e-4) and run",
            {"do": "halve", "run": "run-so"},
        ),
        (
            {"state": "failed", "error": NO_MEMORY, "device": "cuda:0"},
            "Stopped: the card ran out of memory. It is free again.",
            {"do": "again", "comparison": "c1"},
        ),
        (
            {"state": "failed", "error": NO_MEMORY, "device": "cpu-0"},
            "Stopped: this computer ran out of memory. It is free again.",
            {"do": "again", "comparison": "c1"},
        ),
        (
            {"state": "failed", "error": "The disk is full."},
            "Stopped: The disk is full.",
            {"do": "again", "comparison": "c1"},
        ),
    ],
)
def test_each_end_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    three: Opened,
    state: dict[str, Any],
    said: str,
    ask: dict[str, Any],
) -> None:
    page = head(monkeypatch, with_live(three, so=state))
    assert said in page.text
    assert ask in asked(page)
    framed = of_class(page, "heading-error")
    assert bool(framed) == (state["state"] == "failed")


def test_a_stopped_run_and_one_that_learned_nothing(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    lora, waveft = three.comparison["runs"][:2]
    lora |= {"state": "cancelled", "stopped_at": 120}
    waveft["unchanged"] = True
    text = head(monkeypatch, with_live(three)).text
    assert "Stopped at step 120 of 200. Kept." in text
    same = "WaveFT's pictures equal the base's. Its budget or learning rate may be too small here."
    assert f"Check: {same}" in text


def test_a_failed_start_is_told_once(monkeypatch: pytest.MonkeyPatch, three: Opened) -> None:
    fell = {"state": "failed", "error": "Its prepare run prep failed: it broke."}
    prepare = {"state": "failed", "error": "it broke."}
    page = head(monkeypatch, with_live(three, prepare=prepare, lora=fell, waveft=fell, so=fell))
    assert page.text.count("it broke.") == 1


def test_hostile_words_stay_words(monkeypatch: pytest.MonkeyPatch, three: Opened) -> None:
    value = {**three.comparison, "noun": HOSTILE}
    value["runs"] = [dict(run, label=HOSTILE, state="failed") for run in value["runs"]]
    bad = with_live(replace(three, name=HOSTILE, comparison=value, id=HOSTILE))
    page = head(monkeypatch, bad, {"name": HOSTILE, "again": HOSTILE})
    assert page.text.count("<script>alert(1)</script>") > 3
    assert {"do": "again", "comparison": HOSTILE} in asked(page)


def test_a_mistake_in_the_name_is_at_its_field(
    monkeypatch: pytest.MonkeyPatch, three: Opened
) -> None:
    page = head(monkeypatch, three, {"name": "The name has 90 letters; use 80 at most."})
    field = next(attrs for tag, attrs in page.tags if attrs.get("id") == "heading-name")
    assert field["aria-invalid"] == "true"
    assert any(attrs.get("id") == field["aria-describedby"] for _, attrs in page.tags)
    form = of_class(page, "heading-rename")[0]
    assert "hidden" not in form


def test_a_real_comparison_is_opened_with_its_runs(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, finished=("waveft", "lora"))
    found = opened(replace(desk, open=comparison))
    assert found is not None
    assert [run.kind for run in found.runs.values()] == ["prepare", "train", "train", "train"]
    assert [found.runs[name].state for name in found.prepares] == ["finished"]
    assert found.alone
    assert found.at_work
    assert len(found.standing) == 1
    with Store(desk.home) as store:
        store.end(found.comparison["runs"][2]["run"], "failed", error="It broke.")
    page = parsed(heading.render(replace(desk, open=comparison), {})["html"])
    assert "Stopped: It broke." in page.text
    assert opened(desk) is None


def test_learning_rates_as_people_write_them() -> None:
    assert [rate(lr) for lr in (1.5e-4, 5e-4, 0.003, 1.0)] == ["1.5e-4", "5e-4", "3e-3", "1e0"]
