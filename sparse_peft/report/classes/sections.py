"""The parts of a few-shot comparison's page, each as HTML: what it says, shows and cost.

Functions of the content of comparison.json; everything in it is escaped here.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.report import sizes
from sparse_peft.report.charts.losses import Curve, key, loss_curves, penalised, penalties
from sparse_peft.report.classes import verdicts, words
from sparse_peft.report.classes.across import across
from sparse_peft.report.classes.caveats import caveats
from sparse_peft.report.classes.lines import Comparison, lines, many
from sparse_peft.report.classes.setup import setup as said
from sparse_peft.report.classes.words import subtitle, title
from sparse_peft.report.marks import mark_svg
from sparse_peft.report.words import count, counted
from sparse_peft.tasks.fewshot.recipe import ZERO_SHOT

__all__ = [
    "across", "class_names", "commands", "footprints", "losses", "setup", "subtitle", "title",
    "verdict",
]  # fmt: skip


def verdict(comparison: Comparison) -> str:
    """What the answers say, what went wrong, and what to bear in mind."""
    parts = _gathered(comparison) if many(comparison) else _told(comparison)
    of = max((pair["of"] for pair in comparison["pairs"]), default=0)
    head = (
        f"What {counted(of, 'answer')} say{'s' if of == 1 else ''}"
        if parts
        else "Nothing to compare yet."
    )
    small = "".join(f"<p>{escape(line)}</p>" for line in caveats(comparison))
    return f'<h2>{head}</h2>{parts}{_stopped(comparison)}<div class="small">{small}</div>'


def _told(comparison: Comparison) -> str:
    """A sentence for each row beside each reference."""
    names = {row["method"]: row["label"] for row in comparison["runs"]}
    parts = []
    for reference in words.beside(comparison):
        told = words.verdicts(comparison, reference)
        rows = "".join(f"<li>{escape(text)} <b>{escape(word)}</b></li>" for text, word in told)
        if rows:
            head = f"<h3>Beside {escape(names[reference])}</h3>"
            parts.append(f'<div>{head}<ul class="said">{rows}</ul></div>')
    return f'<div class="beside">{"".join(parts)}</div>' if parts else ""


def _gathered(comparison: Comparison) -> str:
    """Many rows: gathered beside each reference and the most accurate; every pair on demand."""
    names = {row["method"]: row["label"] for row in comparison["runs"]}
    best = verdicts.furthest(comparison)
    shown = dict.fromkeys([*words.beside(comparison), *([best] if best else [])])
    parts = "".join(
        f"<div><h3>Beside {escape(names[name])}</h3>{said}</div>"
        for name in shown
        if (said := verdicts.gathered_beside(comparison, name))
    )
    return f'<div class="beside">{parts}</div>{verdicts.pair_tables(comparison)}' if parts else ""


def _stopped(comparison: Comparison) -> str:
    """A sentence for each training that went wrong or was stopped; a reference's once."""
    found: dict[str, str] = {}
    for line in lines(comparison):
        for run in line.row["runs"]:
            text = words.state(run)
            if text and run["state"] not in ("queued", "running"):
                alone = run["run"] is None or len(line.row["runs"]) == 1
                name = line.label if alone else f"{line.label}, draw {run['seed']}"
                found.setdefault(
                    f"{name} {text}",
                    f'<p class="stopped">{mark_svg(line.look)} {escape(name)}. {escape(text)}</p>',
                )
    return "".join(found.values())


def class_names(comparison: Comparison) -> str:
    """The classes by name, and the new ones; of very many the first. What CLIP reads for one."""
    new = comparison["new_classes"]
    parts = [
        f"<h2>{counted(len(comparison['classes']), 'class', 'classes')}</h2>",
        _chips(comparison["classes"]),
    ]
    if new:
        parts += [
            f"<h3>{counted(len(new), 'new class', 'new classes')}, only tested on</h3>",
            _chips(new),
        ]
    if comparison["reference"] == ZERO_SHOT:
        prompt = comparison["template"].replace("{}", comparison["classes"][0])
        parts.append(f'<p class="muted">CLIP reads: “{escape(prompt)}” and so on.</p>')
    return "".join(parts)


def _chips(names: list[str]) -> str:
    shown, rest = names[: words.FIRST_CLASSES * 2], len(names) - words.FIRST_CLASSES * 2
    more = f'<li class="muted">and {count(rest)} more</li>' if rest > 0 else ""
    items = "".join(f"<li>{escape(name)}</li>" for name in shown)
    return f'<ul class="chips">{items}{more}</ul>'


def footprints(comparison: Comparison) -> str:
    """What each method trains, keeps and changes, in a sentence."""
    shown = [
        (line.look, line.label, line.row["footprint"])
        for line in lines(comparison)
        if line.trained and line.row["footprint"]
    ]
    return sizes.told(comparison["budget"], shown)


def losses(comparison: Comparison) -> str:
    """Losses by step, linear and logarithmic, of each method's first training that has some."""
    drawn = []
    for line in lines(comparison):
        run = _first(line.row)
        if run:
            points = tuple((float(step), float(loss)) for step, loss in run["losses"])
            drawn.append(Curve(line.label, line.look, points, line.method, penalised(line.row)))
    if not drawn:
        return "<p>No losses were kept.</p>"
    return (
        f'<div>{key(drawn)}<input type="checkbox" id="log">'
        '<label for="log">log scale</label>'
        f'<div class="linear">{loss_curves(drawn)}</div>'
        f'<div class="log">{loss_curves(drawn, log=True)}</div>{penalties(drawn)}</div>'
    )


def _first(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((run for run in row["runs"] if run["losses"]), None)


def setup(comparison: Comparison) -> str:
    """The terms and texts of what a paper needs, for a dl of class setup."""
    return "".join(
        f"<dt>{escape(head)}</dt><dd>{escape(text)}</dd>" for head, text in said(comparison)
    )


def commands(comparison: Comparison) -> str:
    """The command line of the whole, and of each method's first training."""
    found = [("All", comparison["command"])]
    for line in lines(comparison):
        if line.trained:
            first, several = line.row["runs"][0], len(line.row["runs"]) > 1
            draw = f", draw {first['seed']}" if several else ""
            found.append((f"{line.label}{draw}", first["command"]))
    return "".join(
        f"<h3>{escape(name)}</h3><pre><code>{escape(text)}</code></pre>" for name, text in found
    )
