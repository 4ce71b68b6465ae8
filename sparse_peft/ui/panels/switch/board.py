"""What is to be learned: one subject, or some classes."""

import itertools
from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Task

CHOICES: tuple[tuple[Task, str, str], ...] = (
    ("dreambooth", "Teach it one subject", "It learns to draw your dog, wherever you like."),
    ("fewshot", "Teach it some classes", "It learns to tell your kinds of things apart."),
)

_drawn = itertools.count()  # a browser hears of an answer only if it differs from the one before


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """Both choices, the one in view taken."""
    now = desk.task
    choices = "".join(
        f'<label class="switch-choice"><input type="radio" name="switch-task" value="{task}"'
        f"{' checked' if task == now else ''}><span><b>{title}</b>"
        f"<small>{line}</small></span></label>"
        for task, title, line in CHOICES
    )
    error = errors.get("task", "")
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    html = f"""<fieldset class="switch"><legend class="unseen">What is learned</legend>\
{choices}</fieldset>{said}"""
    return {"html": html, "data": {"drawn": next(_drawn), "task": now}}
