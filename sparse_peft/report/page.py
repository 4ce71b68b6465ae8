"""One comparison as one HTML file that opens offline: pictures, verdicts and numbers.

Everything a person or a file supplies is escaped; a content policy by hash allows the page's own
script and nothing else, and no request to any host.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from sparse_peft.metrics.pictures import Anchor, scaled
from sparse_peft.report import words
from sparse_peft.report.axes import Axis
from sparse_peft.report.charts import Curve, Point, loss_curves, scatter
from sparse_peft.report.columns import columns
from sparse_peft.report.marks import hue_variables, mark_svg
from sparse_peft.report.matrix import controls, embedded, last_step, matrix, picture_data
from sparse_peft.report.summaries import (
    PICTURE_METRICS,
    anchor_of,
    costs_table,
    entries,
    metrics_table,
)

HERE = Path(__file__).parent
FACES = (
    ("IBM Plex Sans", 400, "IBMPlexSans-Regular"),
    ("IBM Plex Sans", 700, "IBMPlexSans-Bold"),
    ("IBM Plex Mono", 400, "IBMPlexMono-Regular"),
)

Comparison = Mapping[str, Any]


def page(comparison: Comparison, folder: Path) -> str:
    """The report as one file.

    Args:
        folder: where the paths of the comparison start.
    """
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        script=script,
        script_hash=digest,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        faces="".join(_face(*face) for face in FACES),
        light=hue_variables(dark=False),
        dark=hue_variables(dark=True),
        title=escape(_title(comparison)),
        subtitle=escape(_subtitle(comparison)),
        subject=_subject(comparison, folder),
        verdict=_verdict(comparison),
        controls=controls(comparison),
        matrix=matrix(comparison, folder),
        lines=_lines(comparison),
        scatter=_scatter(comparison),
        metrics=metrics_table(comparison),
        costs=costs_table(comparison),
        curves=_curves(comparison),
        setup=_setup(comparison),
        commands=_commands(comparison),
        pictures=picture_data(comparison, folder),
    )


def _face(family: str, weight: int, name: str) -> str:
    data = base64.b64encode((HERE / "fonts" / f"{name}.woff2").read_bytes()).decode()
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};'
        f'src:url(data:font/woff2;base64,{data}) format("woff2")}}'
    )


def _title(comparison: Comparison) -> str:
    budget = comparison["budget"]
    size = f", {words.count(budget)} values" if budget else ""
    backbone = comparison["backbone"]
    return f"{comparison['noun'].capitalize()}{size}, {backbone['title'] or backbone['id']}"


def _subtitle(comparison: Comparison) -> str:
    names = [column.label for column in columns(comparison)[1:]]
    prompts, seeds = len(comparison["prompts"]), len(comparison["seeds"])
    note = comparison["backbone"].get("note")
    return (
        f"{', '.join(names)} beside the untouched base: {prompts} prompts, {seeds} "
        f"seed{'s' if seeds > 1 else ''}, the same starting noise in every column."
        + (f" {note}" if note else "")
    )


def _subject(comparison: Comparison, folder: Path) -> str:
    noun = escape(comparison["noun"])
    pictures = "".join(
        f'<img src="{embedded(folder / path, side=96)}" alt="Picture {i} of your {noun}">'
        for i, path in enumerate(comparison["pictures"], 1)
    )
    return f'<h2>Your {noun}</h2><div class="strip">{pictures}</div>' if pictures else ""


def _verdict(comparison: Comparison) -> str:
    lines = [
        (text, word)
        for metric in PICTURE_METRICS
        for text, word in words.verdicts(comparison, metric)
    ]
    of = max((pair["of"] for pair in comparison["pairs"]), default=0)
    title = f"What {of} pairs of pictures say" if lines else "Nothing to compare yet."
    said = "".join(f"<li>{escape(text)} <b>{escape(word)}</b></li>" for text, word in lines)
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
    said = f'<h2>{title}</h2><ul class="said">{said}</ul>'
    return f'{said}{stopped}{same}<div class="small">{small}</div>'


def _lines(comparison: Comparison) -> str:
    """What each method trains, keeps and changes, in a sentence."""
    lines = "".join(
        f"<p>{mark_svg(column.look)} <b>{escape(column.label)}.</b> "
        f"{escape(words.footprint(column.shown['footprint']))}</p>"
        for column in columns(comparison)
        if column.shown and column.shown["footprint"]
    )
    return f'<div class="lines">{lines}</div>'


def _scatter(comparison: Comparison) -> str:
    subject, prompt = (anchor_of(comparison, metric) for metric in PICTURE_METRICS)
    scaling = subject.usable and prompt.usable
    if not scaling:
        subject, prompt = subject._replace(usable=False), prompt._replace(usable=False)
    points: list[Point] = []
    for column, name, entry in entries(comparison):
        first = all(point.look != column.look for point in points)
        across, up = (words.measured(entry["metrics"][metric]) for metric in PICTURE_METRICS)
        if across and up:
            path = [
                (_at(step["subject_fidelity"], subject), _at(step["prompt_fidelity"], prompt))
                for step in (_way(comparison, entry) if first else ())
            ]
            x, y = words.on_scale(across, subject), words.on_scale(up, prompt)
            shown = column.label if first else name
            points.append(Point(shown, column.look, x, y, tuple(path), labelled=first))
    if not points:
        return "<p>Nothing was measured.</p>"
    ends = ((0.0, "0"), (100.0, "100")) if scaling else ()
    raw = "" if scaling else ", cosine"
    chart = scatter(
        points,
        Axis(f"looks like your pictures{raw}", ends),
        Axis(f"follows the prompt{raw}", ends),
    )
    return chart if scaling else f"{chart}<p>{words.UNSCALED}</p>"


def _way(comparison: Comparison, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Fidelities at the earlier steps with pictures, the base first."""
    if not entry.get("way"):
        return []
    metrics = comparison["base"]["metrics"]
    earlier = [step for step in entry["way"] if step["step"] < last_step(entry)]
    return [{metric: metrics[metric]["mean"] for metric in PICTURE_METRICS}, *earlier]


def _at(value: float, anchor: Anchor) -> float:
    return scaled(value, anchor) if anchor.usable else value


def _curves(comparison: Comparison) -> str:
    curves = [
        Curve(name, column.look, tuple((float(step), float(loss)) for step, loss in run["losses"]))
        for column, name, run in entries(comparison)[1:]
        if run["losses"]
    ]
    if not curves:
        return "<p>No losses were kept.</p>"
    names = "".join(f"<span>{mark_svg(c.look)} {escape(c.name)}</span>" for c in curves)
    return (
        f'<div><p class="key">{names}</p><input type="checkbox" id="log">'
        '<label for="log">log scale</label>'
        f'<div class="linear">{loss_curves(curves)}</div>'
        f'<div class="log">{loss_curves(curves, log=True)}</div></div>'
    )


def _setup(comparison: Comparison) -> str:
    parts = words.setup(comparison)
    return "".join(f"<dt>{escape(head)}</dt><dd>{escape(text)}</dd>" for head, text in parts)


def _commands(comparison: Comparison) -> str:
    lines = [("All", comparison["command"])]
    lines += [(name, run["command"]) for _, name, run in entries(comparison)[1:]]
    return "".join(
        f"<h3>{escape(name)}</h3><pre><code>{escape(text)}</code></pre>" for name, text in lines
    )
