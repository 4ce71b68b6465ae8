"""What a few-shot comparison says: verdicts, caveats and states, word for word."""

from typing import Any

import pytest

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.classes import words
from sparse_peft.report.classes.caveats import LEARNING_RATES, caveats
from sparse_peft.report.classes.setup import setup


def pair(a: str, b: str, mean: float, word: str) -> dict[str, Any]:
    gap = {"mean": mean, "low": mean - 0.05, "high": mean + 0.05}
    return {"metric": "accuracy", "a": a, "b": b, "wins": 9, "losses": 1, "ties": 20, "of": 30,
            "difference": gap, "p": 0.01, "word": word}  # fmt: skip


def test_percentages_have_a_unit_and_a_range() -> None:
    assert words.percent(0.8444) == "84.4 %"
    assert words.percents(Interval(0.8, 0.75, 0.85)) == "75.0 to 85.0"
    assert words.percents(Interval(0.8, None, None)) == ""


def scored(comparison: dict[str, Any], **accuracies: float) -> None:
    """Give rows these accuracies on every draw."""
    for row in comparison["runs"]:
        for run in row["runs"]:
            run["accuracy"] = accuracies.get(row["method"], run["accuracy"])


def test_the_better_row_stands_first(finished: dict[str, Any]) -> None:
    scored(finished, zeroshot=0.18, lora=0.484, so=0.08, waveft=0.19)
    finished["pairs"] = [
        pair("lora", "zeroshot", 0.304, "Clear"),
        pair("so", "zeroshot", -0.1, "Leaning"),
        pair("waveft", "zeroshot", 0.03, "Cannot tell"),
    ]
    assert words.verdicts(finished, "zeroshot") == [
        ("LoRA names more pictures right than zero-shot: 48 % against 18 % "
         "(25 to 35 points more).", "Clear."),
        ("Zero-shot names more pictures right than SO: 18 % against 8 % (5 to 15 points more).",
         "Leaning."),
        ("WaveFT and zero-shot: 19 % and 18 %.", "Cannot tell them apart."),
    ]  # fmt: skip


def test_references_have_names_of_a_sentence_and_small_gaps_a_decimal(
    finished: dict[str, Any],
) -> None:
    scored(finished, linear_probe=0.9, lora=0.912, so=0.894, waveft=0.5)
    finished["pairs"] = [
        pair("lora", "linear_probe", 0.012, "Leaning"),
        pair("so", "lora", -0.018, "Cannot tell"),
    ]
    assert words.verdicts(finished, "linear_probe") == [
        ("LoRA names more pictures right than the linear probe: 91.2 % against 90.0 % "
         "(3.8 points fewer to 6.2 more).", "Leaning."),
    ]  # fmt: skip
    assert words.verdicts(finished, "lora") == [
        ("LoRA and SO: 91.2 % and 89.4 %.", "Cannot tell them apart."),
    ]
    finished["pairs"] = [pair("lora", "linear_probe", -0.2, "Clear")]
    scored(finished, linear_probe=0.95, lora=0.75)
    told = words.verdicts(finished, "linear_probe")[0][0]
    assert told.startswith("The linear probe names more")


@pytest.mark.parametrize(("low", "high"), [(None, None), (-0.7, 1.0), (-1.0, 1.0)])
def test_an_interval_that_says_nothing_is_not_said(
    finished: dict[str, Any], low: float | None, high: float | None
) -> None:
    scored(finished, zeroshot=0.2, lora=0.5)
    gap = {"mean": 0.3, "low": low, "high": high}
    finished["pairs"] = [pair("lora", "zeroshot", 0.3, "Leaning") | {"difference": gap}]
    assert words.verdicts(finished, "zeroshot") == [
        ("LoRA names more pictures right than zero-shot: 50 % against 20 %.", "Leaning.")
    ]


def test_an_interval_that_ends_beside_nothing_gets_a_decimal(finished: dict[str, Any]) -> None:
    scored(finished, zeroshot=0.2, lora=0.35)
    gap = {"mean": 0.15, "low": 0.004, "high": 0.296}
    finished["pairs"] = [pair("lora", "zeroshot", 0.15, "Clear") | {"difference": gap}]
    assert (
        "35 % against 20 % (0.4 to 29.6 points more)" in words.verdicts(finished, "zeroshot")[0][0]
    )


def test_accuracies_are_of_the_draws_that_both_were_measured_on(finished: dict[str, Any]) -> None:
    scored(finished, zeroshot=0.2)
    lora = next(row for row in finished["runs"] if row["method"] == "lora")
    zero = next(row for row in finished["runs"] if row["method"] == "zeroshot")
    lora["runs"][0]["accuracy"], zero["runs"][0]["accuracy"] = 0.4, 0.1
    for run in lora["runs"][1:]:
        run["accuracy"] = None
    finished["pairs"] = [pair("lora", "zeroshot", 0.3, "Clear")]
    assert "40 % against 10 %" in words.verdicts(finished, "zeroshot")[0][0]


def test_rows_are_compared_with_zero_shot_the_probe_and_lora(finished: dict[str, Any]) -> None:
    assert words.beside(finished) == ["zeroshot", "linear_probe", "lora"]
    told = [words.verdicts(finished, name) for name in words.beside(finished)]
    assert [len(lines) for lines in told] == [4, 3, 2]  # each pair of rows once
    finished["runs"] = [row for row in finished["runs"] if row["method"] != "lora"]
    assert words.beside(finished) == ["zeroshot", "linear_probe", "waveft"]
    finished["runs"] = finished["runs"][:2]
    assert words.beside(finished) == ["zeroshot"]


def test_the_title_and_what_is_compared(finished: dict[str, Any]) -> None:
    assert words.title(finished) == "Toys, 4 shots, Built-in CLIP"
    assert words.subtitle(finished) == (
        "Linear probe, LoRA, WaveFT, SO beside zero-shot CLIP: 4 classes, 4 pictures of each to "
        "learn from, 56 test pictures, three draws of the shots, 6,144 trainable values."
    )
    finished |= {"shots": 1, "seeds": [1], "runs": finished["runs"][:1], "budget": None,
                 "test_pictures": {"1": 50, "2": 52}}  # fmt: skip
    assert words.subtitle(finished) == (
        "Zero-shot CLIP: 4 classes, 1 picture of each to learn from, 50 to 52 test pictures, one "
        "draw of the shots."
    )


@pytest.mark.parametrize(("name", "start"), [("BMW", "BMW, "), ("my Cars", "My Cars, ")])
def test_a_title_leaves_the_letters_of_a_name(
    finished: dict[str, Any], name: str, start: str
) -> None:
    finished["dataset"]["title"] = name
    assert words.title(finished).startswith(start)


def test_caveats_say_what_is_not_known(finished: dict[str, Any]) -> None:
    said = caveats(finished)
    assert said[0] == "From three draws of the shots, each method trained on each once."
    assert "A stricter rule is used because four rows are compared." in said
    assert said[-1] == LEARNING_RATES
    finished |= {"seeds": [1], "test_pictures": {"1": 39}, "reproduces": "Table 1: 76.1 %."}
    finished["runs"][2]["runs"][0]["stopped_at"] = 120
    said = caveats(finished)
    assert said[0].startswith("From one draw of the shots and one training on it each.")
    assert said[0].endswith("Train on 3 draws (about 4 min more).")
    assert "never more than Leaning" in said[1]
    assert "LoRA, draw 1, was stopped at step 120 of 200 and is compared as it stood then." in said
    assert "The preset repeats a published result: Table 1: 76.1 %." in said


def test_before_anything_is_measured_nothing_is_to_be_borne_in_mind(
    unmeasured: dict[str, Any],
) -> None:
    assert caveats(unmeasured) == []
    assert words.tested(unmeasured) == "test pictures still to be drawn"


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["finished", "finished"], None),
        (["finished", "queued"], "1 of 2 draws"),
        (["failed", "running"], "step 7"),
        (["failed", "queued"], "waiting"),
        (["failed", "interrupted"], "nothing measured"),
    ],
)
def test_a_row_says_how_far_it_is(states: list[str], said: str | None) -> None:
    runs = [{"state": state, "run": "r", "step": 7 if state == "running" else 120,
             "accuracy": 0.5 if state == "finished" else None} for state in states]  # fmt: skip
    assert words.row_state({"state": states[-1], "runs": runs}) == said


def test_a_reference_has_states_of_its_own() -> None:
    run = {"run": None, "error": None, "accuracy": None}
    assert words.state(run | {"state": "finished"}) is None
    assert words.state(run | {"state": "queued"}) == "Waiting."
    assert words.state(run | {"state": "running"}) == "Being measured."
    assert words.state(run | {"state": "failed", "error": "No room."}) == "Stopped: No room."
    assert words.state(run | {"state": "cancelled"}) == (
        "Stopped before it was measured: its process ended."
    )


def test_long_lists_are_cut() -> None:
    assert words.listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert words.listed(["a", "b"], 2) == "a, b"


def test_a_paper_gets_everything(finished: dict[str, Any]) -> None:
    finished |= {"new_classes": ["violin"], "reproduces": "Table 1."}
    told = dict(setup(finished))
    assert told["Classes"].startswith("4: apple, boat, castle, dragon. New classes")
    assert told["Pictures"].endswith("drawn with seeds 1, 2, 3; 56 test pictures.")
    assert "learning rate 0.001, 200 steps, batches of 32" in told["LoRA"]
    assert told["Zero-shot"].startswith("On frozen features.")
    assert told["Preset"] == "fewshot-builtin-quick. Table 1."
    assert set(told) >= {"Backbone", "Prompt", "Intervals", "Pairs", "Machine"}


def test_rows_that_could_be_guessing_are_named(finished: dict[str, Any]) -> None:
    chance = 1 / len(finished["classes"])
    for row in finished["runs"]:
        low = chance - 0.01 if row["method"] == "zeroshot" else chance + 0.1
        row["metrics"]["accuracy"] = {"mean": low + 0.05, "low": low, "high": low + 0.1}
    said = [text for text in caveats(finished) if text.startswith("Guessing")]
    assert said == [
        f"Guessing would name {100 * chance:.0f} % right: Zero-shot is not clearly better than "
        "that here."
    ]


def test_names_that_clip_reads_alike_are_named(finished: dict[str, Any]) -> None:
    finished["alike"] = [["character01", "character02"], ["character01", "character03"]]
    said = [text for text in caveats(finished) if "alike" in text]
    assert len(said) == 1
    assert said[0].startswith("CLIP reads “character01” and “character02” almost alike.")


def test_the_paragraph_for_a_paper_says_which_layers_are_trained(finished: dict[str, Any]) -> None:
    finished["recipe"] = {
        "targets": "attention+mlp:text", "augmentation": "crop+flip", "smallest_crop": 0.5,
        "scale": None, "precision": "fp32",
    }  # fmt: skip
    assert dict(setup(finished))["Training"] == (
        "Layers that may be tuned: attention+mlp of the text tower. Pictures: crop+flip, from 50 % "
        "of the area. Cosines times the backbone's own. fp32."
    )


def test_a_single_test_picture_can_be_a_guess(finished: dict[str, Any]) -> None:
    """One picture has no interval: nothing shows that it was more than luck."""
    finished["runs"][2]["metrics"]["accuracy"] = {"mean": 1.0, "low": None, "high": None}
    said = " ".join(caveats(finished))
    assert "Guessing would name 25 % right: LoRA is not clearly better than that here." in said


def test_two_draws_are_said_to_be_too_few(finished: dict[str, Any]) -> None:
    """Between two draws there is one difference: it says little of how far draws differ."""
    for seeds, told in (([1], 0), ([1, 2], 1), ([1, 2, 3], 0)):
        finished["seeds"] = seeds
        assert " ".join(caveats(finished)).count("Take three draws or more.") == told
