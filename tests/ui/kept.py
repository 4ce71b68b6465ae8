"""A person's comparison in a real store, with run folders as workers leave them."""

import shutil
from dataclasses import replace
from pathlib import Path

from sparse_peft.planning import ComparisonPlan, plan
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk, Studio
from tests.fake_outcome import Maker
from tests.planned import choose

OWNER, OTHER = "o" + "1" * 16, "o" + "2" * 16


def keep(root: Path, finished: tuple[str, ...] = ("waveft", "lora", "so")) -> tuple[Desk, str]:
    """A desk and the id of a comparison of three methods; those not finished wait."""
    home = root / "home"
    chosen = choose(root)
    shutil.move(home / "data" / chosen.subject_id, home / "data" / OWNER / chosen.subject_id)
    chosen = replace(chosen, owner=OWNER, subject_id=f"{OWNER}/{chosen.subject_id}")
    spec, runs, content = plan(chosen, home)
    with Store(home) as store:
        store.submit(spec, runs)
        _fill(root, home, content, finished)
        for run in (content.prepare, *(run.run for run in content.runs if run.id in finished)):
            store.end(run, "finished")
    return Desk(Studio(home), OWNER), spec.id


def folders(desk: Desk, comparison: str) -> dict[str, Path]:
    """The folder of each run by its name in the comparison, "base" for what all share."""
    from sparse_peft.outcome import outcome

    found = outcome(desk.home, comparison)
    return {"base": found.prepare} | {run.id: run.folder for run in found.runs}


def _fill(root: Path, home: Path, content: ComparisonPlan, finished: tuple[str, ...]) -> None:
    (root / "made").mkdir()
    maker = Maker(root / "made", prompts=1)
    made = {content.prepare: maker.prepare()}
    made |= {r.run: maker.train(r.method, r.id).folder for r in content.runs if r.id in finished}
    for run, folder in made.items():
        shutil.copytree(folder, home / "runs" / run, dirs_exist_ok=True)
