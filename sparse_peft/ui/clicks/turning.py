"""Turning from one subject to classes and back: two forms, each as it was left."""

from collections.abc import Mapping
from dataclasses import dataclass

from sparse_peft.ui.clicks.actions import Action, Answer
from sparse_peft.ui.desk import draft as drafts
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Task

FORMS = ("switch", "pictures", "classes", "methods")  # what a turn is seen in


@dataclass(frozen=True)
class Teach:
    """What the backbone is to learn."""

    task: Task


def teach(desk: Desk, asked: Teach) -> Answer:
    """Lay the other form on the desk."""
    drafts.turn_to(desk.folder, asked.task)
    return Answer(show=FORMS, about=asked.task)


ACTIONS: Mapping[str, Action] = {"teach": Action(Teach, teach, "task", ("switch",))}
