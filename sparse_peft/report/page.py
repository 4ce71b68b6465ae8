"""One comparison as one HTML file that opens offline: pictures, verdicts and numbers.

Everything a person or a file supplies is escaped; a content policy by hash allows the page's own
script and nothing else, and no request to any host.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from sparse_peft.report import orders, sections
from sparse_peft.report.classes import page as class_page
from sparse_peft.report.columns import BASE, columns, many
from sparse_peft.report.groups import Side
from sparse_peft.report.legend import legend
from sparse_peft.report.marks import hue_variables
from sparse_peft.report.matrix import controls, matrix, matrix_data
from sparse_peft.report.pictures import EXACT_SIDE, Read, all_embedded, embedded
from sparse_peft.report.summaries import EACH_TRAINS, costs_table, folded, metrics_table
from sparse_peft.tasks.fewshot.recipe import TASK

HERE = Path(__file__).parent
SHEETS = ("look.css", "page.css")
SCRIPTS = ("finding.js", "holding.js", "matrix.js", "legend.js", "tracing.js", "page.js")
CLASS_SHEETS = (*SHEETS, "classes.css")
CLASS_SCRIPTS = ("confusion.js", "legend.js", "tracing.js", "confused.js", "rows.js")
FACES = (
    ("IBM Plex Sans", 400, "IBMPlexSans-Regular"),
    ("IBM Plex Sans", 700, "IBMPlexSans-Bold"),
    ("IBM Plex Mono", 400, "IBMPlexMono-Regular"),
)

Comparison = Mapping[str, Any]


def page(comparison: Comparison, read: Read) -> str:
    """The report as one file.

    Args:
        read: gives the picture at a path of the comparison.
    """
    of_classes = comparison["task"] == TASK
    names = CLASS_SCRIPTS if of_classes else SCRIPTS
    script = _text(*names)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    fields = class_page.fields if of_classes else _fields
    told = fields(comparison, read)
    return Template(_text("page.html")).substitute(
        script=script,
        script_hash=digest,
        style=_text(*(CLASS_SHEETS if of_classes else SHEETS)),
        faces="".join(_face(*face) for face in FACES),
        light=hue_variables(dark=False),
        dark=hue_variables(dark=True),
        title=told["title"],
        subtitle=told["subtitle"],
        body=Template(_text("classes.html" if of_classes else "subject.html")).substitute(told),
        data=_json(told["data"]),
    )


def _fields(comparison: Comparison, read: Read) -> Mapping[str, Any]:
    """What the template of a subject's page names."""
    sources = all_embedded(read)
    return {
        "title": escape(sections.title(comparison)),
        "subtitle": escape(sections.subtitle(comparison)),
        "subject": sections.subject(comparison, embedded(read, side=EXACT_SIDE)),
        "verdict": sections.verdict(comparison),
        "legend": _legend(comparison),
        "controls": controls(comparison),
        "matrix": matrix(comparison, sources.test),
        "lines": _lines(comparison),
        "scatter": sections.scatter(comparison),
        "metrics": metrics_table(comparison),
        "costs": costs_table(comparison),
        "curves": sections.curves(comparison),
        "setup": sections.setup(comparison),
        "commands": _commands(comparison),
        "data": matrix_data(comparison, sources) | {"orders": orders.orders(columns(comparison))},
    }


def _legend(comparison: Comparison) -> str:
    """The line of all methods, where they are many."""
    if not many(comparison):
        return ""
    sides = [Side(one.method, one.label, one.look) for one in columns(comparison)]
    return legend(sides, BASE, orders.TITLES)


def _lines(comparison: Comparison) -> str:
    """What each method trains, keeps and changes; of many, on demand."""
    lines = sections.lines(comparison)
    return folded(EACH_TRAINS, lines) if many(comparison) else lines


def _commands(comparison: Comparison) -> str:
    """The command lines; of many methods the single ones on demand."""
    commands = sections.commands(comparison)
    return folded("All command lines", commands) if many(comparison) else commands


def _text(*names: str) -> str:
    return "".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _json(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c")  # no text can close the script element


def _face(family: str, weight: int, name: str) -> str:
    data = base64.b64encode((HERE / "fonts" / f"{name}.woff2").read_bytes()).decode()
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};'
        f'src:url(data:font/woff2;base64,{data}) format("woff2")}}'
    )
