"""What can be taken away from a few-shot comparison: a page, numbers, adapters, checkpoints."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.classes.lines import Line
from sparse_peft.report.marks import mark_svg
from sparse_peft.ui.classes.backbones import reads_words
from sparse_peft.ui.classes.compare.merging import bytes_of, merges
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.panels.numbers.files import anchor, link, opens
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch.watching import Live

STATES = {"queued": "Waiting ...", "running": "Being made ..."}
AGAIN = {"failed": "It failed: {}", "interrupted": "Interrupted.", "cancelled": "Stopped."}
NOT_IN = " Not in ComfyUI or A1111 yet."
CLASSIFY = "python -m sparse_peft classify --run FOLDER PICTURE ..."


def files(desk: Desk, found: Opened, rows: Sequence[Line], errors: Mapping[str, str]) -> str:
    """Links to all of it, each with what it is; nothing before something is measured."""
    if not any(row.metric("accuracy") for row in rows):
        return ""
    links = [
        link(found, "report.html", "Report HTML", "one file: opens offline, prints to PDF"),
        link(found, "predictions.csv", "Predictions CSV", "one row a picture, draw and method"),
        link(found, "comparison.json", "Numbers JSON", "everything this page shows"),
    ]
    trained = [row for row in rows if _adapters(row)]
    sizes = [run["adapter_bytes"] or 0 for row in trained for run in _adapters(row)]
    if sizes:
        count = f"{len(sizes)} folder{'s' if len(sizes) > 1 else ''}, {words.size(sum(sizes))}"
        links.append(link(found, "adapters.zip", "Adapters", count))
    error = errors.get("merge")
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return f"""<section class="card"><details class="numbers-part" data-part="files" open>
<summary><h2>Download</h2></summary><ul class="numbers-files">{"".join(links)}</ul>{said}
{_methods(desk, found, trained) if trained else ""}</details></section>"""


def _methods(desk: Desk, found: Opened, rows: Sequence[Line]) -> str:
    made = merges(desk, found.runs)
    about, where = bytes_of(str(found.comparison["backbone"]["id"])), _program(found)
    lines = "".join(_method(desk, found, row, made, about) for row in rows)
    return f"""<ul class="classes-files">{lines}</ul>
<p class="small">An adapter is small and needs this studio: unpack it, then
<code class="mono">{CLASSIFY}</code>. The {where} checkpoint is large and needs {where} alone; a
script of ten lines that sorts a folder with it comes along.</p>"""


def _method(
    desk: Desk, found: Opened, row: Line, made: Mapping[str, Live], about: int | None
) -> str:
    runs = _adapters(row)
    several = len(row.row["runs"]) > 1
    zips = " ".join(
        anchor(
            found, f"adapter-{run['id']}.zip", f"draw {run['seed']}" if several else "adapter",
            f"Adapter of {row.label}" + (f", draw {run['seed']}" if several else ""),
        )
        for run in runs
    )  # fmt: skip
    size = words.size(runs[0]["adapter_bytes"]) if runs[0]["adapter_bytes"] else ""
    each = " each" if len(runs) > 1 else ""
    title = "Adapter: " if several else ""
    return (
        f"<li><h3>{mark_svg(row.look)} {escape(row.label)}</h3>"
        f'<p>{title}{zips} <span class="muted">{size}{each}</span>'
        f"<small>{_opens(desk, runs[0])}</small></p>"
        f"<div>{_checkpoint(found, row, runs[0], made.get(runs[0]['id']), about)}</div></li>"
    )


def _checkpoint(
    found: Opened, row: Line, run: Mapping[str, Any], made: Live | None, about: int | None
) -> str:
    """The button that makes it, what becomes of that, or the links; of several draws, the first."""
    several = len(row.row["runs"]) > 1
    draw, where = f" of draw {run['seed']}" if several else "", _program(found)
    if made and made.state == "finished":
        whose = f" of {row.label}" + (f", draw {run['seed']}" if several else "")
        ready = anchor(
            found, f"merged-{run['id']}.zip", f"{where} checkpoint{draw}",
            f"{where} checkpoint{whose}",
        )  # fmt: skip
        script = anchor(found, f"classify-{run['id']}.py", "script", f"script{whose}")
        return f"<p>{ready} {script}</p>"
    if made and made.state in STATES:
        return f'<p class="muted">{STATES[made.state]}</p>'
    said = f" (about {large(about)})" if about else ""
    ask = {"do": "merge", "run": run["id"], "comparison": found.id}
    before = AGAIN[made.state].format(made.error) if made else ""
    before = f'<p class="small">{escape(before)}</p>' if before else ""
    return before + button(f"Make an ordinary {where} checkpoint{draw}{said}", ask)


def _program(found: Opened) -> str:
    """What opens an ordinary checkpoint."""
    return "open_clip" if reads_words(str(found.comparison["backbone"]["id"])) else "timm"


def _opens(desk: Desk, run: Mapping[str, Any]) -> str:
    """Programs that draw have no use for it, so they are not named."""
    return opens(desk, run).removesuffix(NOT_IN)


def large(count_bytes: int) -> str:
    """590 MB or 1.7 GB: two digits are all that an estimate is worth."""
    digits = round(count_bytes, 2 - len(str(count_bytes)))
    return f"{digits / 1e9:g} GB" if digits >= 1e9 else f"{digits / 1e6:g} MB"


def _adapters(row: Line) -> list[Mapping[str, Any]]:
    return [run for run in row.row["runs"] if run["adapter"] and run["run"]]
