"""A row of history: pictures, name, methods, budget, state, date, and what one can do with it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from sparse_peft.methods import method_named
from sparse_peft.planning import AnyPlan, ComparisonPlan
from sparse_peft.report import words
from sparse_peft.report.marks import Identity, identities, mark_svg
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow
from sparse_peft.ui.classes.compare.pictures import first_pictures
from sparse_peft.ui.clicks.deleting import sentence, weighed
from sparse_peft.ui.comparisons import naming
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.watch.watching import watcher

THUMBS = 3  # methods in the row of pictures, after the base
MARKS = 6  # methods that are named; of more only the number is told
AT_WORK = ("queued", "running")


@dataclass(frozen=True)
class Row:
    """What a row shows of a comparison, the example's too."""

    id: str
    name: str
    methods: tuple[tuple[str, str, Identity], ...]
    """name, label and look"""
    pictures: tuple[tuple[str, str | None], ...]
    """label and address of a picture of the base and of the first methods, or of the first classes;
    None: not there yet"""
    budget: int | None
    state: str
    made: datetime | None
    subject: str = ""
    """the same for two rows that can be set side by side"""
    at_work: bool = False


def row_of(desk: Desk, comparison: str) -> Row:
    """The row of one of the person's comparisons."""
    watch = watcher(desk.home)
    plan = watch.plan(comparison)
    rows = {row.id: row for row in watch.rows(comparison)}
    path = desk.home / "comparisons" / comparison / "comparison.json"
    return Row(
        id=comparison,
        name=naming.read(desk.home, comparison) or naming.default(plan),
        methods=looks({run.method: method_named(run.method).label for run in plan.runs}),
        pictures=tuple(
            _pictures(desk, plan, rows)
            if isinstance(plan, ComparisonPlan)
            else first_pictures(desk, comparison, plan.dataset)
        ),
        budget=plan.budget,
        state=_state(plan, rows),
        made=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        subject=plan.subject if isinstance(plan, ComparisonPlan) else comparison,
        at_work=any(row.state in AT_WORK for row in rows.values()),
    )


def looks(labels: dict[str, str]) -> tuple[tuple[str, str, Identity], ...]:
    """Name, label and look of methods that are installed."""
    found = identities((name, method_named(name).family) for name in labels)
    return tuple((name, label, found[name]) for name, label in labels.items())


def _pictures(
    desk: Desk, plan: ComparisonPlan, rows: dict[str, RunRow]
) -> list[tuple[str, str | None]]:
    seed = plan.shared.seeds[0]
    base = f"samples/base/p00-s{seed}.png"
    found = [("Base", _address(desk, plan.prepare, base))]
    firsts = {run.method: run for run in reversed(plan.runs)}
    for method in list(dict.fromkeys(run.method for run in plan.runs))[:THUMBS]:
        run = firsts[method]
        path = f"samples/step{run.training.steps:06}/p00-s{seed}.png"
        if rows[run.run].state != "finished":
            samples = watcher(desk.home).told(run.run).samples
            path = next((str(s["path"]) for s in reversed(samples) if s.get("prompt") == 0), path)
        found.append((method_named(method).label, _address(desk, run.run, path)))
    return found


def _address(desk: Desk, run: str, path: str) -> str | None:
    there = (RunDirectory.of(desk.home, run).path / Path(path)).is_file()
    return f"/studio/files/{run}/{path}" if there else None


def _state(plan: AnyPlan, rows: dict[str, RunRow]) -> str:
    states = [rows[run.run].state for run in plan.runs]
    everything = {*states, rows[plan.prepare].state}
    for state, word in (
        ("running", "Running"), ("interrupted", "Interrupted"), ("queued", "Waiting"),
    ):  # fmt: skip
        if state in everything:
            return word
    ends = {"failed": "failed", "cancelled": "stopped"}
    count = len(states)
    bad = [
        f"{states.count(state)} of {count} {word}"
        for state, word in ends.items()
        if state in states
    ]
    if not bad:
        return "Done"
    if set(states) <= set(ends) and len(bad) == 1:
        return "Failed" if "failed" in states else "Stopped"
    return f"Done, {', '.join(bad)}"


def html_of(desk: Desk, row: Row, *, ticks: bool, rename: bool, delete: bool) -> str:
    """The row, with its name's form or its deletion's second click opened."""
    which = {"comparison": row.id}
    example = row.made is None
    chip = ' <span class="chip">Example</span>' if example else ""
    name = f'<h3 id="history-{escape(row.id)}">{escape(row.name)}{chip}</h3>'
    foot = _buttons(row, which, example=example, ticks=ticks)
    if rename:
        name, foot = _name_form(row), ""
    elif delete:
        foot = _deletion(desk, row)
    return (
        f'<li class="history-row" aria-labelledby="history-{escape(row.id)}">'
        f'<div class="history-thumbs">{"".join(map(_thumb, row.pictures))}</div>'
        f'<div class="history-text">{name}<p class="history-methods">{_marks(row)}</p>'
        f'<p class="history-facts">{_facts(row)}</p>{foot}</div></li>'
    )


def _thumb(picture: tuple[str, str | None]) -> str:
    label, address = picture
    if address is None:
        return f'<span class="history-none" title="{escape(label)}: not drawn yet"></span>'
    return (
        f'<img src="{escape(address)}" alt="{escape(label)}" title="{escape(label)}"'
        ' width="64" height="64" loading="lazy">'
    )


def _marks(row: Row) -> str:
    if len(row.methods) > MARKS:
        marks = "".join(f"{mark_svg(look)} " for _, _, look in row.methods)
        return f"{marks}<span>{len(row.methods)} methods</span>"
    return " ".join(
        f"<span>{mark_svg(look)} {escape(label)}</span>" for _, label, look in row.methods
    )


def _facts(row: Row) -> str:
    facts = [row.state]
    if row.budget:
        facts.append(f"{words.count(row.budget)} values")
    if row.made:
        shown = f"{row.made.day} {row.made:%B %Y, %H:%M} UTC"
        facts.append(f'<time datetime="{row.made:%Y-%m-%dT%H:%M:%SZ}">{shown}</time>')
    return " · ".join(facts)


def _buttons(row: Row, which: dict[str, str], *, example: bool, ticks: bool) -> str:
    found = button("Open", {"do": "open"} | which)
    if not example:
        name = escape(row.name)
        tick = (
            f'<label class="history-tick"><input type="checkbox" data-tick="{escape(row.id)}"'
            f' data-subject="{escape(row.subject)}" aria-label="Compare {name}"> Compare</label>'
        )
        found += button("Rename", {"do": "history", "rename": row.id}, " quiet")
        found += button("Run again with changes", {"do": "again"} | which, " quiet")
        found += button("Delete", {"do": "history", "delete": row.id}, " quiet")
        found += tick if ticks else ""
    return f'<div class="history-buttons">{found}</div>'


def _name_form(row: Row) -> str:
    return (
        f'<form class="history-name" data-comparison="{escape(row.id)}">'
        f'<label class="unseen" id="history-{escape(row.id)}" for="history-name">Name</label>'
        f'<input class="field" id="history-name" name="name" value="{escape(row.name)}"'
        f' maxlength="{naming.LONGEST_NAME}" autocomplete="off">'
        '<button class="button main">Save</button>'
        f"{button('Cancel', {'do': 'history'}, ' quiet')}</form>"
    )


def _deletion(desk: Desk, row: Row) -> str:
    if row.at_work:
        words_ = "It is at work. Stop it first, then delete it."
        buttons = button("Close", {"do": "history"}, " quiet")
    else:
        words_ = sentence(weighed(desk, row.id))
        buttons = button("Delete", {"do": "delete", "comparison": row.id}, " main")
        buttons += button("Keep it", {"do": "history"})
    return (
        f'<div class="history-sure" role="group" aria-labelledby="history-sure">'
        f'<p id="history-sure">{escape(words_)}</p>{buttons}</div>'
    )
