"""The tables: every number with its interval, classes one by one, costs over the draws."""

import re
from typing import Any

from sparse_peft.report.classes.tables import class_table, costs_table, metrics_table


def test_every_metric_of_every_row_is_there(finished: dict[str, Any]) -> None:
    drawn = metrics_table(finished)
    for row in finished["runs"]:
        for name in ("accuracy", "macro_f1", "calibration_error"):
            assert f">{100 * row['metrics'][name]['mean']:.1f} %<" in drawn
    assert "Harmonic mean" not in drawn


def test_new_classes_have_columns_of_their_own(finished: dict[str, Any]) -> None:
    finished["new_classes"] = ["violin"]
    finished["runs"][0]["metrics"]["new_accuracy"] = {"mean": 0.123, "low": 0.1, "high": 0.2}
    drawn = metrics_table(finished)
    assert "Harmonic mean" in drawn
    assert ">12.3 %<" in drawn
    assert drawn.count("not measured") == 9


def test_each_class_has_a_bar_for_each_row(finished: dict[str, Any]) -> None:
    drawn = class_table(finished)
    assert re.findall(r'<th scope="row">(\w+)</th>', drawn) == finished["classes"]
    assert drawn.count('class="bar"') == 4 * 5
    finished["runs"][2]["metrics"]["per_class"]["boat"] = None
    assert class_table(finished).count("no pictures") == 1


def test_how_many_pictures_tested_each_class_is_said(finished: dict[str, Any]) -> None:
    each = sum(finished["runs"][0]["confusion"][0]) // len(finished["seeds"])
    assert f'<p class="muted">{each} test pictures of each class.</p>' in class_table(finished)
    for row in finished["runs"]:
        row["confusion"][0][0] += len(finished["seeds"])
    drawn = class_table(finished)
    first, second = finished["classes"][:2]
    assert f">{first}<small>{each + 1} test pictures</small></th>" in drawn
    assert f">{second}<small>{each} test pictures</small></th>" in drawn
    for row in finished["runs"]:
        row["confusion"] = None  # of more classes than are kept
    assert "test pictures" not in class_table(finished)


def test_of_very_many_classes_those_that_differ_most_are_shown(finished: dict[str, Any]) -> None:
    names = [f"kind {i}" for i in range(40)]
    finished["classes"] = names
    for number, row in enumerate(finished["runs"]):
        row["confusion"] = None
        row["metrics"]["per_class"] = {
            name: {"mean": 0.5 + (i / 100 if number == 2 else 0), "low": 0.1, "high": 0.9}
            for i, name in enumerate(names)
        }
    drawn = class_table(finished)
    assert re.findall(r'<th scope="row">(kind \d+)</th>', drawn) == names[:19:-1]
    assert "The 20 of 40 classes" in drawn


def test_costs_are_means_over_the_draws(finished: dict[str, Any]) -> None:
    for run, seconds, peak in zip(finished["runs"][2]["runs"], (10.0, 20.0, 90.0), (1.0, 7.0, 3.0),
                                  strict=True):  # fmt: skip
        run |= {"seconds": seconds, "peak_mib": peak}
    drawn = costs_table(finished)
    assert ">40 s*<" in drawn
    assert ">7 MiB<" in drawn
    assert drawn.count('<th scope="row">') == 3  # references cost nothing


def test_what_is_not_known_is_said(unmeasured: dict[str, Any]) -> None:
    assert "not known" in costs_table(unmeasured)
    assert "not measured" in metrics_table(unmeasured)
    assert class_table(unmeasured) == '<p class="none">Nothing was measured yet.</p>'
    unmeasured["runs"] = unmeasured["runs"][:1]
    assert "Nothing is trained" in costs_table(unmeasured)


def test_times_beside_other_work_are_not_to_be_compared(finished: dict[str, Any]) -> None:
    assert "cannot be compared with the others, nor with" in costs_table(finished)
    for row in finished["runs"]:
        for run in row["runs"]:
            run["beside"] = 0
    assert "cannot be compared" not in costs_table(finished)
