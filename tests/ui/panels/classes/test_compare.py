"""The Compare tab where it is about classes: what it says and shows, at every moment."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.comparison import ClassesOutcome
from sparse_peft.report.classes.lines import lines
from sparse_peft.report.classes.words import verdicts
from sparse_peft.ui.classes.compare.trying import Tried
from sparse_peft.ui.panels.classes.compare import board as compare_board
from sparse_peft.ui.panels.classes.compare import files
from sparse_peft.ui.panels.classes.compare import numbers as compare_numbers
from sparse_peft.ui.panels.classes.compare.states import lines as state_lines
from sparse_peft.ui.panels.classes.compare.trying import agreed, percent
from sparse_peft.ui.panels.heading import board as heading
from sparse_peft.ui.panels.matrix import board as matrix
from sparse_peft.ui.panels.numbers import board as numbers
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch.watching import Standing
from tests.fake_classes import Maker
from tests.report.test_page import Page
from tests.ui.boards import words
from tests.ui.classes.compared_classes import desk_at, made, with_live
from tests.ui.classes.kept_classes import keep
from tests.ui.compared import HOSTILE, asked, live, parsed


@pytest.fixture(scope="module")
def three() -> Opened:
    return made(seeds=(1, 2), classes=6)


def board(panel: Any, found: Opened, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Page]:
    """A board's HTML, checked."""
    monkeypatch.setattr(panel, "opened", lambda _: found)
    html = panel.render(desk_at(Path("nowhere")), {})["html"]
    return html, parsed(html)


def everything(found: Opened, monkeypatch: pytest.MonkeyPatch) -> str:
    """All boards of the tab, without what only a person's own comparison has."""
    monkeypatch.setattr(Opened, "alone", False)
    monkeypatch.setattr(files, "_checkpoint", lambda *_: "")
    monkeypatch.setattr(files, "merges", lambda *_: {})
    monkeypatch.setattr(files, "opens", lambda *_: "Opens in: this studio only.")
    return "".join(board(panel, found, monkeypatch)[0] for panel in (heading, matrix, numbers))


def test_the_whole_tab_of_a_finished_comparison(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = words(everything(three, monkeypatch))
    for text in ("What the test pictures say", "Accuracy", "What was taken for what",
                 "Class by class", "Metrics", "Costs", "Training curves", "For a paper",
                 "Command lines", "Download", "Macro-F1", "Zero-shot"):  # fmt: skip
        assert text in said


def test_a_chosen_reference_has_its_own_sentences(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, page = board(heading, three, monkeypatch)
    references = [attrs["data-reference"] for _, attrs in page.tags if "data-reference" in attrs]
    assert references == ["zeroshot", "linear_probe", "lora"]
    assert "LoRA names more pictures right than zero-shot" in words(html)
    told = [verdicts(three.comparison, name) for name in references]
    assert html.count("<li>") == sum(map(len, told))


def test_a_training_shorter_than_the_presets_is_told(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = "Trained for 200 of the preset's 250 steps (LoRA):"
    comparison = deepcopy(three.comparison)
    assert early not in words(board(heading, three, monkeypatch)[0])
    for run in next(row for row in comparison["runs"] if row["method"] == "lora")["runs"]:
        run["preset_steps"] = 250
    html, _ = board(heading, replace(three, comparison=comparison), monkeypatch)
    assert words(html).count(early) == 1


def test_twelve_methods_and_twenty_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    twelve = made(12, classes=20, each=6, shots=2, seeds=(1,))
    html = everything(twelve, monkeypatch)
    parsed(html)
    assert len(html) < 1_500_000
    for row in twelve.comparison["runs"]:
        assert html.count(row["label"]) > 3
    assert "heading-groups" in html


def test_no_name_of_a_person_becomes_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    def hostile(_: Maker, outcome: ClassesOutcome) -> ClassesOutcome:
        classes = (HOSTILE, *outcome.classes[1:])
        return replace(outcome, classes=classes, title=HOSTILE, command=HOSTILE, backbone=HOSTILE)

    found = replace(made(change=hostile, classes=3, each=6, seeds=(1,)), name=HOSTILE)
    parsed(everything(found, monkeypatch))


def test_zero_shot_comes_first_and_methods_fill_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(maker: Maker, outcome: ClassesOutcome) -> ClassesOutcome:
        half = maker.unfinished("waveft", name="waveft-now", state="running")
        half = replace(half, id="waveft-s1")
        return replace(outcome, runs=(half, maker.queued("so")))

    found = with_live(made(0, begun, seeds=(1,)), **{"waveft-s1": {"stage": "Training"}})
    assert found.at_work
    html = everything(found, monkeypatch)
    said = words(html)
    assert "Accuracy so far" in said
    assert "Training loss" in said
    assert "What the test pictures say" in said  # the linear probe has been measured too
    assert "WaveFTTraining. Stop" in said
    assert "Training curves" not in said


def test_before_zero_shot_there_is_an_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(maker: Maker, outcome: ClassesOutcome) -> ClassesOutcome:
        del outcome
        return replace(maker.outcome(runs=(maker.queued("lora"),)), prepare_state="queued",
                       prepare=maker.root / "none")  # fmt: skip

    found = with_live(made(0, waiting, seeds=(1,)), prepare={"state": "queued"})
    standing = Standing("c1", "waiting", live("prep"), (), None, 2, 60.0, None)
    found = replace(found, standing=(standing,))
    html, page = board(heading, found, monkeypatch)
    assert "Zero-shot comes first" in words(html)
    assert "Zero-shotWaiting: 2 runs before this one, about 1 min." in words(html)
    assert asked(page) == [{"do": "again", "comparison": "f1"}]
    monkeypatch.setattr(compare_board, "likes", lambda *_: {})
    html, _ = board(matrix, found, monkeypatch)
    assert "As soon as zero-shot is measured." in words(html)
    board(numbers, found, monkeypatch)


def test_what_ends_all_draws_alike_is_said_once() -> None:
    def broken(maker: Maker, outcome: ClassesOutcome) -> ClassesOutcome:
        runs = [maker.queued("lora", seed, name=f"x{seed}", state="failed", error="It broke.")
                for seed in maker.seeds]  # fmt: skip
        ids = [
            replace(run, id=f"lora-s{seed}") for run, seed in zip(runs, maker.seeds, strict=True)
        ]
        return replace(outcome, runs=tuple(ids))

    [line] = state_lines(with_live(made(0, broken)))
    assert (line.label, line.text) == ("LoRA, draw 1, 2, 3", "Stopped: It broke.")


def test_an_infinite_loss_offers_half_the_rate() -> None:
    def infinite(maker: Maker, outcome: ClassesOutcome) -> ClassesOutcome:
        text = "At step 37 the loss is not a finite number (learning rate 0.001). Use a lower one."
        run = maker.queued("lora", name="x", state="failed", error=text)
        return replace(outcome, runs=(replace(run, id="lora-s1"),))

    [line] = state_lines(with_live(made(0, infinite, seeds=(1,))))
    assert line.text.startswith("Stopped: the loss became infinite at step 37.")
    assert line.buttons[0][1] == {"do": "halve", "run": "run-x"}


def test_one_draw_offers_two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    _, page = board(heading, made(2, seeds=(1,)), monkeypatch)
    assert {"do": "more_seeds", "comparison": "f1"} in asked(page)


def test_who_says_what_in_a_sentence(three: Opened) -> None:
    rows = lines(three.comparison)
    zero, probe, lora = rows[0], rows[1], rows[2]
    owl, cat = [("owl", 0.9), ("cat", 0.1)], [("cat", 0.6), ("owl", 0.4)]
    assert agreed([(zero, owl), (lora, owl)]) == "All say owl."
    assert agreed([(zero, owl)]) == "Zero-shot says owl."
    said = agreed([(zero, cat), (probe, owl), (lora, owl)])
    assert said == "Zero-shot says cat; Linear probe and LoRA say owl."


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "> 99 %"), (1.0, "100 %")],
)
def test_a_share_is_never_called_none_or_all_unless_it_is(share: float, said: str) -> None:
    assert percent(share) == said


def test_a_picture_tried_stands_beside_what_each_row_said(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses = (("apple", 0.75), ("boat", 0.25))
    said = {"zeroshot": guesses, "linear_probe-s1": guesses, "lora-s1": guesses}
    done = Tried("/studio/data/tried/a.png", live("r1", kind="classify", state="finished"),
                 tuple(said), said)  # fmt: skip
    failed = live("r2", kind="classify", state="failed", error="It broke.")
    waits = Tried("/studio/data/tried/b.png", failed, tuple(said), {})
    monkeypatch.setattr("sparse_peft.ui.panels.classes.compare.trying.tried",
                        lambda *_: [waits, *[done] * 5])  # fmt: skip
    monkeypatch.setattr(compare_board, "likes", lambda *_: {})
    html, page = board(matrix, three, monkeypatch)
    assert words(html).count("All say apple.") == 5
    assert words(html).count("The answers are those of the first draw of 2.") == 1
    assert "2 tried before" in words(html)
    assert "Stopped: It broke." in words(html)
    assert sum(attrs.get("src") == "/studio/data/tried/a.png?side=256"
               for _, attrs in page.tags) == 5  # fmt: skip


def test_what_one_draw_gave_is_not_said_of_several(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = "over all draws"
    monkeypatch.setattr(Opened, "alone", False)
    html, _ = board(matrix, three, monkeypatch)
    assert words(html).count(several) == 1 + html.count('<table class="confused"')
    html, _ = board(matrix, made(seeds=(1,), classes=6), monkeypatch)
    assert several not in words(html)
    assert "A bar shows how many of the test pictures were recognised. The dotted" in words(html)


def test_which_mistakes_are_shown_first_is_said(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Opened, "alone", False)
    html, page = board(matrix, three, monkeypatch)
    shown = [a["data-row"] for _, a in page.tags if "data-row" in a and "hidden" not in a]
    assert shown == ["lora"]
    assert "Shown first: the first measured method, as what training changed" in words(html)


def test_until_a_method_is_measured_none_is_said_to_be_shown_first(
    three: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that trains has mistakes of its own only when it is measured."""
    monkeypatch.setattr(Opened, "alone", False)
    comparison = deepcopy(three.comparison)
    for row in comparison["runs"]:
        if any(run["run"] for run in row["runs"]):
            row["metrics"]["accuracy"], row["most_confused"] = None, []
    html, page = board(matrix, replace(three, comparison=comparison), monkeypatch)
    shown = [a["data-row"] for _, a in page.tags if "data-row" in a and "hidden" not in a]
    assert shown == ["zeroshot"]
    assert "Shown first" not in words(html)


def test_what_can_be_taken_away(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, finished=("lora",), methods=("lora", "so"), classes=3)
    from sparse_peft.ui.panels.opened import opened

    found = opened(desk)
    assert found is not None
    assert found.name == "3 classes, 4 shots, 41,472 values, Built-in CLIP"
    html = compare_numbers.numbers(desk, found, {"merge": "It broke."})
    page = parsed(html)
    links = [str(attrs["href"]) for _, attrs in page.tags if "href" in attrs]
    names = {link.rpartition("/")[2] for link in links}
    adapters = {f"adapter-lora-s{seed}.zip" for seed in (1, 2, 3)}
    assert names == {
        "report.html", "predictions.csv", "comparison.json", "adapters.zip", *adapters
    }  # fmt: skip
    assert asked(page) == [{"do": "merge", "run": "lora-s1", "comparison": comparison}]
    assert "Make an ordinary open_clip checkpoint of draw 1 (about 17 MB)" in words(html)
    assert "It broke." in words(html)


def test_links_lead_to_comparisons_on_the_same_pictures(tmp_path: Path) -> None:
    _, first = keep(tmp_path, methods=("lora",), classes=3, each=8, shots=1, seeds=(1,))
    desk, second = keep(tmp_path, methods=("lora",), classes=3, each=8, shots=2, seeds=(1,))
    html = matrix.render(desk, {})["html"]
    page = parsed(html)
    assert {"do": "open", "comparison": first} in asked(page)
    assert {"do": "open", "comparison": second} not in asked(page)
    assert "Accuracy against shots" in words(html)
