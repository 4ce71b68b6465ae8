"""What a person has put on their desk and not yet started: kept at every change."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from sparse_peft import files, tables
from sparse_peft.data.findings import Finding
from sparse_peft.data.pictures import Picture
from sparse_peft.errors import UserError
from sparse_peft.ui.classes.form import ClassForm
from sparse_peft.ui.desk.turns import Turns

Task = Literal["dreambooth", "fewshot"]
TASKS: tuple[Task, ...] = get_args(Task)
DRAFT_FILE = "draft.json"
FILES: dict[Task, str] = {"dreambooth": DRAFT_FILE, "fewshot": "draft-fewshot.json"}
TASK_FILE = "task.json"
METHODS = ("lora", "waveft", "so")  # ticked at the start
Value = int | float | str | bool | None

_TURNS = Turns()  # two tabs, one draft


@dataclass(frozen=True)
class Draft:
    """The forms of the page as one person left them, of one task."""

    task: Task = "dreambooth"
    classes: ClassForm = field(default_factory=ClassForm)
    """the first step of the few-shot task"""
    pictures: tuple[Picture, ...] = ()
    """clean ones, each a PNG in the desk's pictures folder"""
    findings: tuple[Finding, ...] = ()
    """what the checks said of the pictures; a finding names its picture"""
    offered: int = 0
    """how many files were given, readable or not"""
    noun: str = ""
    token: str | None = None
    """None: the next free one"""
    backbone: str = "builtin"
    preset: str = "quick"
    stop: int | None = None
    """place on the budget scale, 0 to 48; None: the preset's budget"""
    methods: tuple[str, ...] = METHODS
    over: tuple[str, ...] = ()
    """of the ticked ones, those added at their smallest although it is over the budget"""
    steps: int | None = None
    """None: the preset's"""
    train_seeds: int = 1
    """of the few-shot task: how many draws of the training pictures"""
    seed: int = 0
    prompts: tuple[str, ...] = ()
    """empty: the usual ones"""
    fields: dict[str, dict[str, Value]] = field(default_factory=dict)
    """settings of a method that differ from the preset's, by method"""
    lr: dict[str, float] = field(default_factory=dict)
    """learning rates that differ from the preset's, by method"""


_NEW: dict[Task, Draft] = {
    "dreambooth": Draft(),
    "fewshot": Draft("fewshot", train_seeds=3, seed=1),  # published draws are numbered from 1
}


def new(task: Task) -> Draft:
    """The forms as nobody has touched them."""
    return _NEW[task]


def read(folder: Path, task: Task = "dreambooth") -> Draft:
    """The draft of a task in a desk's folder; a new one where there is none that can be read."""
    path = folder / FILES[task]
    if not path.is_file():
        return _NEW[task]
    try:
        return replace(tables.build(Draft, tables.read_json(path), str(path)), task=task)
    except UserError:  # of an older version, or damaged: a form is not worth refusing the page
        return _NEW[task]


def change(folder: Path, task: Task = "dreambooth", /, **fields: Any) -> Draft:
    """Replace some fields of a task's draft and keep the result."""
    with _TURNS.of(folder):
        draft = replace(read(folder, task), **fields)
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / FILES[task], tables.table(draft))
    return draft


def task_of(folder: Path) -> Task:
    """What the page of a desk was last about; one subject where nobody has chosen."""
    path = folder / TASK_FILE
    if not path.is_file():
        return "dreambooth"
    try:
        asked = tables.read_json(path).get("task")
    except UserError:
        return "dreambooth"
    return next((task for task in TASKS if task == asked), "dreambooth")


def turn_to(folder: Path, task: Task) -> None:
    """Keep what the page of a desk is about from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / TASK_FILE, {"task": task})
