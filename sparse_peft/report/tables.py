"""Tables of a report, from HTML of their heads and rows, and those that every page has."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.charts.losses import running_mean
from sparse_peft.report.columns import MANY

LOSS_ROWS = 10
BESIDE = (
    "* measured while another run was training beside it, and perhaps longer for it: such a time "
    "cannot be compared with the others, nor with another of its kind."
)
EACH_TRAINS = "What each trains, keeps and changes"


def table(
    name: str, heads: Sequence[str], rows: Sequence[str], title: str = "", *, wide: bool = False
) -> str:
    """A table of a class, from the HTML of its heads and rows.

    Args:
        title: what it is; with it, a table of many rows gets a box of its own that scrolls.
        wide: such a box for any number of rows.
    """
    boxed = wide or (bool(title) and len(rows) >= MANY - 1)
    told = (
        f'<table class="{name}{" many" if boxed else ""}"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody data-ordered>{''.join(rows)}</tbody></table>"
    )
    if not boxed:
        return told
    return f'<div class="scrolls" role="region" aria-label="{title}" tabindex="0">{told}</div>'


def folded(title: str, body: str) -> str:
    """What a person opens when they want it."""
    return f'<details class="twin"><summary>{title}</summary>{body}</details>'


def costs(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The table of costs.

    Args:
        rows: HTML of a name, and what holds its sizes and measurements as a run does.
    """
    heads = ("", "Setting", "Trains at once", "Keeps", "Changes", "File", "Training", "One step",
             "Peak memory")  # fmt: skip
    found = []
    for name, run in rows:
        cells = "".join(
            f'<td class="mono" data-title="{title}">{escape(text)}</td>'
            for title, text in zip(heads[1:], _cost_words(run), strict=True)
        )
        found.append(
            f'<tr data-method="{escape(run["method"])}"><th scope="row">{name}</th>{cells}</tr>'
        )
    beside = any(run["beside"] for _, run in rows)
    note = f'<p class="muted">{BESIDE}</p>' if beside else ""
    names = [f'<th scope="col">{head}</th>' for head in heads]
    return table("costs", names, found, "Costs") + note


def _cost_words(run: Mapping[str, Any]) -> list[str]:
    sizes = run["footprint"]
    star = "*" if run["beside"] else ""
    unknown = "not known"
    return [
        run["knob"] or unknown,
        words.count(sizes["active"]) if sizes else unknown,
        ("~" if sizes["estimated"] else "") + words.count(sizes["stored"]) if sizes else unknown,
        words.support(sizes) if sizes else unknown,
        unknown if run["adapter_bytes"] is None else words.size(run["adapter_bytes"]),
        unknown if run["seconds"] is None else words.duration(run["seconds"]) + star,
        unknown if run["step_ms"] is None else f"{run['step_ms']:.0f} ms{star}",
        unknown if run["peak_mib"] is None else f"{run['peak_mib']:.0f} MiB",
    ]


def smooth_table(losses: Mapping[str, Sequence[Sequence[float | int]]]) -> str:
    """Smooth lines at about ten steps as a table that folds away; "" without any.

    Args:
        losses: pairs of step and loss by name.
    """
    lines = {
        name: dict(running_mean([(float(step), float(loss)) for step, loss in told]))
        for name, told in losses.items()
        if told
    }
    steps = sorted({step for line in lines.values() for step in line})
    if not steps:
        return ""
    chosen = sorted({steps[round(i * (len(steps) - 1) / LOSS_ROWS)] for i in range(LOSS_ROWS + 1)})
    rows = []
    for step in chosen:
        cells = "".join(
            f'<td class="mono" data-title="{escape(name)}">'
            f"{f'{line[step]:.4f}' if step in line else 'none'}</td>"
            for name, line in lines.items()
        )
        rows.append(f'<tr><th scope="row">Step {step:.0f}</th>{cells}</tr>')
    heads = ["<th></th>", *(f'<th scope="col">{escape(name)}</th>' for name in lines)]
    twin = table("losses costs", heads, rows)
    return folded("The smooth lines as a table", twin)
