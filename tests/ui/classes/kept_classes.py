"""A person's few-shot comparison in a real store, with run folders as workers leave them."""

import hashlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.data.labelled import Labelled, LabelledPicture, png_name
from sparse_peft.planning.classes import ClassesChoices, ClassesPlan, plan
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk, Studio
from tests.fake_classes import METHODS, Maker

OWNER, OTHER = "o" + "1" * 16, "o" + "2" * 16
ALL = tuple(METHODS)


def keep(
    root: Path,
    finished: tuple[str, ...] = ALL,
    methods: tuple[str, ...] = ALL,
    owner: str = OWNER,
    budget: int | None = None,
    backbone: str = "builtin",
    **maker: object,
) -> tuple[Desk, str]:
    """A desk and the id of a comparison; trainings of methods that are not finished wait.

    Args:
        maker: how many classes, pictures of each, shots and seeds there are.
    """
    home = root / "home"
    made = Maker(root / f"made-{len(list(root.glob('made-*')))}", **maker)  # type: ignore[arg-type]
    chosen = _choices(made, root / "decoded", home, owner, methods, budget, backbone)
    spec, runs, content = plan(chosen, home)
    with Store(home) as store:
        store.submit(spec, runs)
        fill(home, made, content, finished)
        store.end(content.prepare, "finished")
        for run in content.runs:
            if run.method in finished:
                store.end(run.run, "finished")
    return Desk(Studio(home), owner, spec.id), spec.id


def fill(home: Path, made: Maker, content: ClassesPlan, finished: tuple[str, ...]) -> None:
    """What the workers of the shared run and of these methods leave."""
    made.root.mkdir(exist_ok=True)
    folders = {content.prepare: made.prepare(content.references)}
    for run in content.runs:
        if run.method in finished:
            made.train(run.method, run.training.seed, run.id)
            folders[run.run] = made.root / run.id
    for name, folder in folders.items():
        shutil.copytree(folder, home / "runs" / name, dirs_exist_ok=True)
        RunDirectory.of(home, name).seal()


def plan_of(desk: Desk, comparison: str) -> ClassesPlan:
    from sparse_peft.ui.comparisons import mine

    return mine.classes_plan(desk, comparison)


def _choices(
    made: Maker,
    decoded: Path,
    home: Path,
    owner: str,
    methods: tuple[str, ...],
    budget: int | None,
    backbone: str,
) -> ClassesChoices:
    labelled = _labelled(made, decoded)
    labelled.save(decoded, home / "data" / owner)
    source = sources.resolve(backbone, "fewshot")
    references = ("linear_probe",) if source.kind == "vision" else ("zeroshot", "linear_probe")
    usual = ClassesChoices(
        source=source,
        labelled=labelled,
        dataset_id=f"{owner}/{labelled.id}",
        preset=presets.preset("quick", "fewshot", source.family),
        methods=(*references, *methods),
        shots=made.shots,
        seed=made.seeds[0],
        seeds=len(made.seeds),
        owner=owner,
        allow_over=True,
    )
    return usual if budget is None else replace(usual, budget=budget)


def _labelled(made: Maker, decoded: Path) -> Labelled:
    """The maker's pictures, each class's one after another, as a saved set has them."""
    decoded.mkdir(exist_ok=True)
    rows = []
    for label, name in enumerate(made.classes):
        for place in range(label * made.each, (label + 1) * made.each):
            data = io.BytesIO()
            made.paint(label, place).save(data, "PNG")
            digest = hashlib.sha256(data.getvalue()).hexdigest()
            (decoded / png_name(digest)).write_bytes(data.getvalue())
            file = f"{name}/{place:03}.jpg"
            rows.append(LabelledPicture(png_name(digest), label, "pool", file, digest))
    return Labelled(made.classes, tuple(rows), "toys")
