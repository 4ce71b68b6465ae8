"""One comparison as one HTML file that opens offline: pictures, verdicts and numbers.

Everything a person or a file supplies is escaped; a content policy by hash allows the page's own
script and nothing else, and no request to any host.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from sparse_peft.report.classes import page as classes
from sparse_peft.report.marks import hue_variables
from sparse_peft.report.pictures import Read
from sparse_peft.report.subject import page as subject
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
    told = (classes if of_classes else subject).fields(comparison, read)
    script = _text("scripts", *(CLASS_SCRIPTS if of_classes else SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    body = _text("classes" if of_classes else "subject", "page.html")
    return Template(_text("", "page.html")).substitute(
        script=script,
        script_hash=digest,
        style=_text("styles", *(CLASS_SHEETS if of_classes else SHEETS)),
        faces="".join(_face(*face) for face in FACES),
        light=hue_variables(dark=False),
        dark=hue_variables(dark=True),
        title=told["title"],
        subtitle=told["subtitle"],
        body=Template(body).substitute(told),
        data=_json(told["data"]),
    )


def _text(folder: str, *names: str) -> str:
    return "".join((HERE / folder / name).read_text(encoding="utf-8") for name in names)


def _json(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c")  # no text can close the script element


def _face(family: str, weight: int, name: str) -> str:
    data = base64.b64encode((HERE / "fonts" / f"{name}.woff2").read_bytes()).decode()
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};'
        f'src:url(data:font/woff2;base64,{data}) format("woff2")}}'
    )
