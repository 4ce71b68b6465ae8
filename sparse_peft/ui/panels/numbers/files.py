"""What can be taken away from a comparison: a picture, a page, numbers and adapters."""

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from sparse_peft.report import words
from sparse_peft.report.columns import Column, columns
from sparse_peft.report.marks import mark_svg
from sparse_peft.runs.run import RunDirectory
from sparse_peft.ui.comparisons import downloads
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.opened import Opened


def files(desk: Desk, found: Opened) -> str:
    """Links to all of it, each with what it is; nothing before there is something to take."""
    comparison = found.comparison
    if not comparison["base"]["samples"]:
        return ""
    rows = [
        link(found, "grid.png", "Grid PNG", "the pictures of the first seed, labelled"),
        link(found, "report.html", "Report HTML", "one file: opens offline, prints to PDF"),
        link(found, "pictures.csv", "Numbers CSV", "one row a picture"),
        link(found, "comparison.json", "Numbers JSON", "everything this page shows"),
    ]
    sizes = [run["adapter_bytes"] for run in comparison["runs"] if run["adapter"]]
    if sizes:
        total = words.size(sum(size or 0 for size in sizes))
        count = f"{len(sizes)} folder{'s' if len(sizes) > 1 else ''}, {total}"
        rows.append(link(found, "adapters.zip", "Adapters", count))
    return f"""<section class="card"><details class="numbers-part" data-part="files" open>
<summary><h2>Download</h2></summary><ul class="numbers-files">{"".join(rows)}</ul>
{_adapters(desk, found) if sizes else ""}</details></section>"""


def link(found: Opened, name: str, title: str, said: str) -> str:
    """A download in the list, with what it is."""
    return f"<li>{anchor(found, name, title)}<small>{escape(said)}</small></li>"


def anchor(found: Opened, name: str, title: str, label: str = "") -> str:
    """A link to a download.

    Args:
        label: what it is where the title alone does not tell.
    """
    address = f"/studio/downloads/{quote(found.id, safe='')}/{quote(name, safe='')}"
    named = f' aria-label="{escape(label)}"' if label else ""
    return f'<a href="{address}" download{named}>{escape(title)}</a>'


def _adapters(desk: Desk, found: Opened) -> str:
    lines = "".join(
        _adapter(desk, found, column, run)
        for column in columns(found.comparison)[1:]
        for run in column.runs
        if run["adapter"]
    )
    return f'<ul class="numbers-adapters">{lines}</ul>'


def _adapter(desk: Desk, found: Opened, column: Column, run: Mapping[str, Any]) -> str:
    link = anchor(found, f"adapter-{run['id']}.zip", column.label)
    size = words.size(run["adapter_bytes"]) if run["adapter_bytes"] else ""
    return f"<li>{mark_svg(column.look)} {link} {size}<small>{opens(desk, run)}</small></li>"


def opens(desk: Desk, run: Mapping[str, Any]) -> str:
    """Which programs open an adapter."""
    return downloads.opens_in(RunDirectory.of(desk.home, run["run"]).adapter)
