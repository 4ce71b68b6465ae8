"""Accuracy by step while methods train."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report.axes import LEFT, RIGHT, WIDTH, Axis, Scale, rules
from sparse_peft.report.classes import strokes
from sparse_peft.report.classes.lines import Comparison, Line, lines
from sparse_peft.report.classes.strokes import Point
from sparse_peft.report.columns import MANY
from sparse_peft.report.names import ENDS_WIDTH, Name, at_ends


def by_step(comparison: Comparison) -> str:
    """Held-out accuracy by step: each draw faint, their mean as a line; references level."""
    shown = lines(comparison)
    trained = [line for line in shown if line.row["history"]]
    if not trained:
        return '<p class="none">Nothing was measured on the way yet.</p>'
    end = max(row["step"] for line in trained for row in line.row["history"])
    level = [(line, value) for line in shown
             if not line.trained and (value := line.metric("accuracy"))]  # fmt: skip
    values = [100 * row["accuracy"] for line in trained for run in line.row["runs"]
              for row in run["history"]] + [100 * value.mean for _, value in level]  # fmt: skip
    many = len(shown) >= MANY
    across = Scale(0, end, LEFT, WIDTH - (ENDS_WIDTH if many else RIGHT))
    up = strokes.upward(values)
    body = [
        *rules(Axis("step"), across, vertical=False),
        *rules(Axis("accuracy, %"), up, vertical=True, end=across.end),
        *(strokes.line(line.look, [(0, value.mean), (end, value.mean)], across, up,
                       method=of(line))
          for line, value in level),
        *(strokes.line(line.look, _points(run["history"]), across, up, faint=True, method=of(line))
          for line in trained for run in line.row["runs"] if len(line.row["runs"]) > 1),
        *(strokes.line(line.look, _points(line.row["history"]), across, up, method=of(line))
          for line in trained),
        *(strokes.mark(line.look, end_of(line), across, up, of(line)) for line in trained),
        *(at_ends([_name(line, across, up) for line in trained]) if many else ()),
    ]  # fmt: skip
    names = [line for line in shown if line in trained or any(line is one for one, _ in level)]
    described = "; ".join(f"{line.label}: {end_of(line)[1]:.1%}" for line in trained)
    unnamed = [line for line in names if not many or line not in trained]
    return strokes.key([(line.label, line.look) for line in unnamed]) + strokes.figure(
        f"Accuracy by step, at the end {described}", body, many=many
    )


def of(line: Line) -> str:
    """The method whose part it is."""
    return str(line.row["method"])


def _name(line: Line, across: Scale, up: Scale) -> Name:
    step, accuracy = end_of(line)
    return Name(line.label, line.look, across(step), up(100 * accuracy), of(line))


def end_of(line: Line) -> Point:
    """The newest step of a row and its accuracy there."""
    last = line.row["history"][-1]
    return last["step"], last["accuracy"]


def by_step_table(comparison: Comparison) -> str:
    """The table twin of `by_step`; "" without a measurement."""
    trained = [line for line in lines(comparison) if line.row["history"]]
    steps = sorted({row["step"] for line in trained for row in line.row["history"]})
    if not steps:
        return ""
    found = [{row["step"]: row["accuracy"] for row in line.row["history"]} for line in trained]
    heads = "".join(f'<th scope="col">{escape(line.label)}</th>' for line in trained)
    rows = "".join(
        f'<tr><th scope="row">Step {step}</th>'
        + "".join(
            f'<td class="mono" data-title="{escape(line.label)}">'
            f"{f'{100 * told[step]:.1f} %' if step in told else 'none'}</td>"
            for line, told in zip(trained, found, strict=True)
        )
        + "</tr>"
        for step in steps
    )
    return (
        '<details class="twin"><summary>The lines as a table</summary><table class="losses costs">'
        f"<thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _points(history: Sequence[Mapping[str, Any]]) -> list[Point]:
    return [(row["step"], row["accuracy"]) for row in history]
