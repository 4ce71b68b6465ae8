"""What clicks do with comparisons: start, stop, go on, name, repeat, draw, delete, join."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from sparse_peft.drawing import generate_run
from sparse_peft.errors import DataError, RunError, SpecError
from sparse_peft.outcome import BESIDE, joined
from sparse_peft.planning import ComparisonPlan, check_seed
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks import job
from sparse_peft.ui.classes import repeating as class_repeating
from sparse_peft.ui.classes import starting as class_starting
from sparse_peft.ui.classes.compare import merging as compare_merging
from sparse_peft.ui.clicks import deleting, repeating, starting
from sparse_peft.ui.clicks.actions import Action, Answer
from sparse_peft.ui.clicks.asks import Nothing
from sparse_peft.ui.clicks.prompts import typed_prompts
from sparse_peft.ui.comparisons import mine, naming, shipped
from sparse_peft.ui.desk import draft as drafts
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Task

STATES = ("strip", "heading", "matrix", "numbers", "history")  # what a change of state is seen in
FORM = ("switch", "pictures", "classes", "methods")
MORE_SEEDS = 3  # trainings of each method, from which on a verdict covers chance


@dataclass(frozen=True)
class Which:
    """A comparison; None: the open one."""

    comparison: str | None = None


@dataclass(frozen=True)
class OneRun:
    """A run."""

    run: str


@dataclass(frozen=True)
class Stop:
    """A whole comparison, or one run of it."""

    comparison: str | None = None
    run: str | None = None
    keep: bool = True
    """whether what was learned so far is kept"""


@dataclass(frozen=True)
class Resume:
    """A whole comparison, or one run of it."""

    comparison: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Rename:
    """What a comparison is to be called; an empty name: as before anyone named it."""

    name: str
    comparison: str | None = None


@dataclass(frozen=True)
class Draw:
    """A prompt of one's own, in which "your dog" is the subject."""

    prompt: str
    seed: int = 0
    comparison: str | None = None


@dataclass(frozen=True)
class Join:
    """Comparisons to look at side by side."""

    comparisons: tuple[str, ...]


def _start(desk: Desk, _asked: Nothing) -> Answer:
    begin = starting.start if desk.task == "dreambooth" else class_starting.start
    comparison = begin(desk)
    said = starting.waiting(desk, comparison)
    return Answer(("strip", "methods", "history"), "compare", comparison, said)


def stop(desk: Desk, asked: Stop) -> Answer:
    """Take back what waits and end what is at work."""
    if asked.run is not None:
        client.cancel(desk.home, mine.run(desk, asked.run).id, _wish(asked))
    else:
        for comparison in mine.comparisons(desk, asked.comparison or desk.open):
            _stop_all(desk, comparison, asked)
    client.ensure_runner(desk.home)  # what is at work is ended by the runner
    kept = "What it learned so far is kept." if asked.keep else "What it learned is discarded."
    return Answer(STATES, said=f"Stopping. {kept}")


def _wish(asked: Stop) -> job.Stop:
    return "keep" if asked.keep else "discard"


def _stop_all(desk: Desk, comparison: str, asked: Stop) -> None:
    """Last things first: a run that waits is told its own wish before what it needs ends."""
    with Store(desk.home) as store:
        rows = store.runs(comparison)
    for row in reversed(rows):
        if row.state in ("queued", "running") or (row.state == "interrupted" and not asked.keep):
            with suppress(RunError):  # it has ended in the meantime
                client.cancel(desk.home, row.id, _wish(asked))


def _resume(desk: Desk, asked: Resume) -> Answer:
    if asked.run is not None:
        again = [mine.run(desk, asked.run).id]
    else:
        again = _resumable(desk, mine.comparisons(desk, asked.comparison or desk.open))
    if not again:
        raise RunError("There is nothing to resume.")
    with Store(desk.home) as store:
        for run in again:
            # Asked anew each time: putting a run back puts back what it needs too.
            if asked.run or store.run(run).state in ("interrupted", "failed", "cancelled"):
                store.requeue(run)
        comparison = store.run(again[0]).comparison
    client.ensure_runner(desk.home)
    said = starting.waiting(desk, comparison) if comparison else ""
    return Answer(STATES, said=said)


def _resumable(desk: Desk, comparisons: tuple[str, ...]) -> list[str]:
    with Store(desk.home) as store:
        rows = [row for comparison in comparisons for row in store.runs(comparison)]
    return [
        row.id
        for row in rows
        if row.state in ("interrupted", "failed", "cancelled")
        and RunDirectory.of(desk.home, row.id).cancel_requested() != "discard"
    ]


def _halve(desk: Desk, asked: OneRun) -> Answer:
    """Train a failed run's method again at half its learning rate, beside what is open.

    What a person has on the form stays: they asked to mend a run, not for its form.
    """
    with starting.alone(desk):
        before, comparison = _halved(desk, asked.run)
    if isinstance(mine.plan(desk, comparison), ClassesPlan):  # these are looked at one by one
        said = starting.waiting(desk, comparison)
        return Answer(("strip", "history"), "compare", comparison, said=said)
    beside = [before]
    with suppress(RunError):  # nothing of this person is open
        opened = mine.comparisons(desk, desk.open)
        beside = list(opened) if before in opened else beside
    opened_now = BESIDE.join(dict.fromkeys([*beside, comparison]))
    said = starting.waiting(desk, comparison)
    return Answer(("strip", "history"), "compare", opened_now, said)


def _halved(desk: Desk, run: str) -> tuple[str, str]:
    """The comparison of a failed run, and the one that mends it."""
    comparison = mine.run(desk, run).comparison
    if comparison is not None and isinstance(mine.plan(desk, comparison), ClassesPlan):
        before, few = class_repeating.halved(desk, run)
        return before, class_starting.submit(desk, few)
    before, chosen = repeating.halved(desk, run)
    return before, starting.submit(desk, chosen)


def _open(desk: Desk, asked: Which) -> Answer:
    wanted = asked.comparison or desk.open
    if wanted == shipped.FITTING:
        wanted = shipped.fitting(desk.task)
    if not shipped.is_there(wanted):
        wanted = BESIDE.join(mine.comparisons(desk, wanted))
    return Answer(("history",), "compare", wanted)


def _rename(desk: Desk, asked: Rename) -> Answer:
    with starting.alone(desk):
        comparison = mine.comparison(desk, asked.comparison or desk.open)
        naming.write(desk.home, comparison, asked.name)
    return Answer(("heading", "history", "strip"), said="Renamed.")


def _again(desk: Desk, asked: Which) -> Answer:
    task = _laid_out(desk, mine.comparison(desk, asked.comparison or desk.open), None)
    said = "The settings are on the form. Change what you like."
    return Answer(FORM, "methods", about=task, said=said)


def _more_seeds(desk: Desk, asked: Which) -> Answer:
    comparison = mine.comparison(desk, asked.comparison or desk.open)
    task = _laid_out(desk, comparison, MORE_SEEDS)
    said = f"Each method will be trained {MORE_SEEDS} times."
    return Answer(FORM, "methods", about=task, said=said)


def _laid_out(desk: Desk, comparison: str, train_seeds: int | None) -> Task:
    """Put a comparison's pictures and settings onto the form of its task."""
    if isinstance(mine.plan(desk, comparison), ClassesPlan):
        class_repeating.lay_out(desk.turned_to("fewshot"), comparison, train_seeds)
        task: Task = "fewshot"
    else:
        repeating.lay_out(desk.turned_to("dreambooth"), comparison, train_seeds)
        task = "dreambooth"
    drafts.turn_to(desk.folder, task)
    return task


def _draw(desk: Desk, asked: Draw) -> Answer:
    check_seed(asked.seed)
    for comparison in mine.comparisons(desk, asked.comparison or desk.open):
        plan = mine.subject_plan(desk, comparison)
        prompts = typed_prompts(asked.prompt, plan.shared.noun)
        if len(prompts) != 1:
            noun = plan.shared.noun
            raise DataError(f"Write one prompt on one line, such as: your {noun} on a boat")
        with starting.alone(desk):
            _submit_drawing(desk, comparison, plan, prompts[0], asked.seed)
    client.ensure_runner(desk.home)
    return Answer(("strip", "matrix"), said="Waiting: your prompt will be drawn.")


def _submit_drawing(
    desk: Desk, comparison: str, plan: ComparisonPlan, prompt: str, seed: int
) -> None:
    """Queue a prompt, unless the same is there already."""
    trained = {run.id: run.run for run in plan.runs if _drawable(desk, run.run)}
    if not trained:
        raise RunError("No method has finished yet. Draw a prompt of your own when one has.")
    run = generate_run(desk.home, comparison, trained, prompt, seed, owner=desk.owner, within=True)
    with Store(desk.home) as store:
        known = [row for row in store.runs(comparison) if row.kind == "generate"]
        alive = [row for row in known if row.state in ("queued", "running", "finished")]
        if all(RunDirectory.of(desk.home, row.id).spec.settings != run.settings for row in alive):
            store.submit(None, [run])


def _drawable(desk: Desk, run: str) -> bool:
    directory = RunDirectory.of(desk.home, run)
    return directory.adapter.is_dir() and directory.report() is not None


def _delete(desk: Desk, asked: Which) -> Answer:
    comparison = mine.comparison(desk, asked.comparison or desk.open)
    deleting.delete(desk, comparison)
    was_open = comparison in (desk.open or "").split(BESIDE)
    return Answer(("strip", "history", "pictures"), open="" if was_open else None, said="Deleted.")


def _join(desk: Desk, asked: Join) -> Answer:
    ids = mine.comparisons(desk, BESIDE.join(asked.comparisons))
    if len(ids) < 2:
        raise SpecError("Tick two comparisons on the same subject.")
    joined(desk.home, ids)
    return Answer(("history",), "compare", BESIDE.join(ids))


def _forget_all(desk: Desk, _asked: Nothing) -> Answer:
    deleting.forget_all(desk)
    return Answer((*FORM, "strip", "history"), "pictures", "", "Everything of yours is deleted.")


ACTIONS: Mapping[str, Action] = {
    "start": Action(Nothing, _start, "start", FORM),
    "stop": Action(Stop, stop, "run", ("strip", "heading")),
    "resume": Action(Resume, _resume, "run", ("strip", "heading")),
    "halve": Action(OneRun, _halve, "run", ("heading",)),
    "open": Action(Which, _open, "open", ("heading", "history")),
    "rename": Action(Rename, _rename, "name", ("heading", "history")),
    "again": Action(Which, _again, "comparison", ("heading", "history")),
    "more_seeds": Action(Which, _more_seeds, "comparison", ("heading",)),
    "draw": Action(Draw, _draw, "prompt", ("matrix",)),
    "merge": Action(compare_merging.Merge, compare_merging.merge, "merge", ("numbers",)),
    "delete": Action(Which, _delete, "comparison", ("heading", "history")),
    "join": Action(Join, _join, "comparison", ("history",)),
    "forget_all": Action(Nothing, _forget_all, "comparison", ("history",)),
}
