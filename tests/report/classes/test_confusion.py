"""What was taken for what: mistakes are buttons, what is right is not, and very many are a list."""

import re
from typing import Any

import numpy as np

from sparse_peft.report.classes.confusion import confusions, dialog_data, shown_first


def part(drawn: str, method: str) -> str:
    """The mistakes of one row."""
    return drawn.split(f'data-row="{method}"')[1].split('class="confusion"')[0]


def test_every_mistake_of_a_row_is_a_button_in_its_matrix(finished: dict[str, Any]) -> None:
    drawn = confusions(finished)
    for row in finished["runs"]:
        counts = np.array(row["confusion"])
        np.fill_diagonal(counts, 0)
        matrix = part(drawn, row["method"]).split("</table>")[0]
        told = {(int(t), int(p)): int(n) for t, p, n in re.findall(
            r'data-truth="(\d+)" data-predicted="(\d+)"[^>]*>(\d+)</button>', matrix)}  # fmt: skip
        assert told == {tuple(map(int, at)): counts[tuple(at)] for at in np.argwhere(counts)}


def test_a_mistake_says_itself_in_words(finished: dict[str, Any]) -> None:
    most = finished["runs"][0]["most_confused"][0]
    names = finished["classes"]
    said = f"{names[most['truth']]} taken for {names[most['predicted']]}: {most['count']}"
    assert f'aria-label="{said}"' in confusions(finished)


def test_one_row_is_shown_first_a_method_that_was_trained(finished: dict[str, Any]) -> None:
    drawn = confusions(finished)
    assert drawn.count(" hidden>") == 4
    assert 'data-row="lora">' in drawn
    assert 'value="lora" checked' in drawn


def test_of_many_classes_only_the_worst_are_listed(finished: dict[str, Any]) -> None:
    for row in finished["runs"]:
        row["confusion"] = None
    drawn = part(confusions(finished), "zeroshot")
    assert "<table" not in drawn
    assert drawn.count("<li>") == len(finished["runs"][0]["most_confused"])
    assert "predictions.csv" in drawn


def test_a_row_without_a_mistake_says_so(finished: dict[str, Any]) -> None:
    finished["runs"][2] |= {"most_confused": [], "confusion": np.diag([14] * 4).tolist()}
    assert "LoRA makes no mistake on these test pictures." in confusions(finished)


def test_nothing_measured_is_a_sentence(unmeasured: dict[str, Any]) -> None:
    assert confusions(unmeasured) == '<p class="none">Nothing was measured yet.</p>'


def test_the_dialog_has_every_kept_picture(finished: dict[str, Any]) -> None:
    data = dialog_data(finished, dict.fromkeys(finished["examples"], "data:,"))
    for row in data["rows"].values():
        for entries in row["confused"].values():
            assert {str(entry["place"]) for entry in entries} <= set(data["pictures"])
    assert data["draws"] == 3
    assert set(data["names"]) == set(data["pictures"])


def test_until_a_method_is_measured_the_reference_is_shown_first(finished: dict[str, Any]) -> None:
    """What is said to be shown first, and what is selected, come from one place."""
    for row in finished["runs"][2:]:
        row["metrics"]["accuracy"], row["most_confused"] = None, []
    first = shown_first(finished)
    assert first is not None
    assert (first.method, first.trained) == ("zeroshot", False)
    assert 'value="zeroshot" checked' in confusions(finished)
    assert 'value="lora"' not in confusions(finished)


def test_nothing_measured_shows_nothing_first(unmeasured: dict[str, Any]) -> None:
    assert shown_first(unmeasured) is None
