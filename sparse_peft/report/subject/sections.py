"""The parts of a comparison's page, each as HTML: what it says, shows, cost and how it was made.

Functions of the content of comparison.json; everything in it is escaped here.
"""

from collections.abc import Mapping
from html import escape
from math import inf
from typing import Any

from sparse_peft.metrics.intervals import Interval
from sparse_peft.metrics.pictures import Anchor, scaled
from sparse_peft.report import sizes, words
from sparse_peft.report.charts import scatter as chart
from sparse_peft.report.charts.axes import Axis
from sparse_peft.report.charts.losses import Curve, key, loss_curves, penalised, penalties
from sparse_peft.report.columns import MANY, Column, columns, many
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.pictures import Source
from sparse_peft.report.subject import verdicts
from sparse_peft.report.subject.setup import setup as told
from sparse_peft.report.subject.steps import last_step
from sparse_peft.report.subject.tables import PICTURE_METRICS, anchor_of, entries, losses_table

FORWARD = (
    "Point at a mark or a name, or tap it: that method comes forward, with its cross and its way."
)

Comparison = Mapping[str, Any]


def title(comparison: Comparison) -> str:
    """What a comparison is called until someone gives it a name."""
    budget = comparison["budget"]
    size = f", {words.count(budget)} values" if budget else ""
    backbone = comparison["backbone"]
    noun = comparison["noun"]
    return f"{noun[:1].upper()}{noun[1:]}{size}, {backbone['title'] or backbone['id']}"


def subtitle(comparison: Comparison) -> str:
    """What is compared, in a sentence."""
    names = [column.label for column in columns(comparison)[1:]]
    said = f"{len(names)} methods" if len(names) >= MANY - 1 else ", ".join(names)
    prompts = words.counted(len(comparison["prompts"]), "prompt")
    seeds = words.counted(len(comparison["seeds"]), "seed")
    note = comparison["backbone"].get("note")
    return (
        f"{said} beside the untouched base: {prompts}, {seeds}, the same starting noise in every "
        "column." + (f" {note}" if note else "")
    )


def subject(comparison: Comparison, source: Source) -> str:
    """The person's pictures in a strip; nothing where there are none."""
    noun = escape(comparison["noun"])
    pictures = "".join(
        f'<img src="{escape(source(path))}" alt="Picture {i} of your {noun}">'
        for i, path in enumerate(comparison["pictures"], 1)
    )
    return f'<h2>Your {noun}</h2><div class="strip">{pictures}</div>' if pictures else ""


def verdict(comparison: Comparison) -> str:
    """What the pairs of pictures say, what went wrong, and what to bear in mind."""
    said = _gathered(comparison) if many(comparison) else _told(comparison)
    of = max((pair["of"] for pair in comparison["pairs"]), default=0)
    pairs = words.counted(of, "pair of pictures", "pairs of pictures")
    title = f"What {pairs} say{'s' if of == 1 else ''}" if said else "Nothing to compare yet."
    stopped = "".join(
        f'<p class="stopped">{mark_svg(column.look)} {escape(run["label"])}. {escape(text)}</p>'
        for column in columns(comparison)
        for run in column.runs
        if (text := words.state(run))
    )
    same = "".join(
        f"<p class=\"check\"><b>Check:</b> {escape(run['label'])}'s pictures equal the base's. Its "
        "budget or learning rate may be too small here.</p>"
        for run in comparison["runs"]
        if run["unchanged"]
    )
    small = "".join(f"<p>{escape(line)}</p>" for line in words.caveats(comparison))
    return f'<h2>{title}</h2>{said}{stopped}{same}<div class="small">{small}</div>'


def _told(comparison: Comparison) -> str:
    """A sentence for each method against the reference."""
    lines = [
        (text, word)
        for metric in PICTURE_METRICS
        for text, word in words.verdicts(comparison, metric)
    ]
    said = "".join(f"<li>{escape(text)} <b>{escape(word)}</b></li>" for text, word in lines)
    return f'<ul class="said">{said}</ul>' if said else ""


def _gathered(comparison: Comparison) -> str:
    """Many methods: beside the reference, beside the one furthest in, and every pair on demand."""
    reference, names = comparison["reference"], words.labels(comparison)
    best = verdicts.furthest(comparison)
    titles = {reference: f"Beside {names[reference]}"}
    if best and best.method != reference:
        most = f"on average the most like your {comparison['noun']}"
        titles[best.method] = f"Beside {best.label}, {most}"
    parts = "".join(
        f"<div><h3>{escape(title)}</h3>{said}</div>"
        for name, title in titles.items()
        if (said := verdicts.gathered_beside(comparison, name))
    )
    return f'<div class="beside">{parts}</div>{verdicts.pair_tables(comparison)}' if parts else ""


def lines(comparison: Comparison) -> str:
    """What each method trains, keeps and changes, in a sentence."""
    shown = [
        (column.look, column.label, column.shown["footprint"])
        for column in columns(comparison)
        if column.shown and column.shown["footprint"]
    ]
    return sizes.told(comparison["budget"], shown)


def scatter(comparison: Comparison) -> str:
    """Subject against prompt fidelity, with intervals and the way to them."""
    subject, prompt = (anchor_of(comparison, metric) for metric in PICTURE_METRICS)
    scaling = subject.usable and prompt.usable
    if not scaling:
        subject, prompt = subject._replace(usable=False), prompt._replace(usable=False)
    points: list[chart.Point] = []
    for column, name, entry in entries(comparison):
        first = all(point.method != column.method for point in points)
        point = _point(comparison, column, name, entry, (subject, prompt), first)
        points += [point] if point else []
    if not points:
        return "<p>Nothing was measured.</p>"
    ends = ((0.0, "0"), (100.0, "100")) if scaling else ()
    raw = "" if scaling else ", cosine"
    drawn = chart.scatter(
        points,
        Axis(f"looks like your pictures{raw}", ends),
        Axis(f"follows the prompt{raw}", ends),
    )
    if many(comparison):
        drawn += f'<p class="small">{FORWARD}</p>'
    return drawn if scaling else f"{drawn}<p>{words.UNSCALED}</p>"


def _point(
    comparison: Comparison,
    column: Column,
    name: str,
    entry: Mapping[str, Any],
    anchors: tuple[Anchor, Anchor],
    first: bool,
) -> chart.Point | None:
    """Where a column stands; one that is not measured yet, where it had come to.

    Args:
        first: whether it is the first training of its method: it has the name and the way.
    """
    shown, way = column.label if first else name, _way(comparison, entry)
    found = [words.measured(entry["metrics"][metric]) for metric in PICTURE_METRICS]
    if None in found and way:
        newest = way.pop()
        found = [Interval(newest[metric], None, None) for metric in PICTURE_METRICS]
        shown = f"{shown}, step {newest['step']}"
    across, up = found
    if across is None or up is None:
        return None
    path = tuple(
        (_at(step["subject_fidelity"], anchors[0]), _at(step["prompt_fidelity"], anchors[1]))
        for step in (way if first else ())
    )
    x, y = words.on_scale(across, anchors[0]), words.on_scale(up, anchors[1])
    return chart.Point(shown, column.look, x, y, path, labelled=first, method=column.method)


def _way(comparison: Comparison, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Fidelities at the earlier steps with pictures, the base first."""
    if not entry.get("way"):
        return []
    metrics = comparison["base"]["metrics"]
    end = last_step(entry) if entry["samples"] else inf
    earlier = [step for step in entry["way"] if step["step"] < end]
    return [{metric: metrics[metric]["mean"] for metric in PICTURE_METRICS}, *earlier]


def _at(value: float, anchor: Anchor) -> float:
    return scaled(value, anchor) if anchor.usable else value


def curves(comparison: Comparison) -> str:
    """Losses by step, linear and logarithmic."""
    drawn = [
        Curve(
            name,
            column.look,
            tuple((float(s), float(loss)) for s, loss in run["losses"]),
            column.method,
            penalised(run),
        )
        for column, name, run in entries(comparison)[1:]
        if run["losses"]
    ]
    if not drawn:
        return "<p>No losses were kept.</p>"
    return (
        f'<div>{key(drawn)}<input type="checkbox" id="log">'
        '<label for="log">log scale</label>'
        f'<div class="linear">{loss_curves(drawn)}</div>'
        f'<div class="log">{loss_curves(drawn, log=True)}</div>'
        f"{penalties(drawn)}{losses_table(comparison)}</div>"
    )


def setup(comparison: Comparison) -> str:
    """The terms and texts of what a paper needs, for a dl of class setup."""
    parts = told(comparison)
    return "".join(f"<dt>{escape(head)}</dt><dd>{escape(text)}</dd>" for head, text in parts)


def commands(comparison: Comparison) -> str:
    """The command line of the whole and of each run."""
    lines = [("All", comparison["command"])]
    lines += [(name, run["command"]) for _, name, run in entries(comparison)[1:]]
    return "".join(
        f"<h3>{escape(name)}</h3><pre><code>{escape(text)}</code></pre>" for name, text in lines
    )
