"""What a click may ask for, and what the page does after it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sparse_peft import tables
from sparse_peft.errors import SpecError, UserError
from sparse_peft.ui.desk.desk import Desk, Tab
from sparse_peft.ui.desk.draft import Task

FRAME = ("do", "open", "about", "turn")  # what every click brings along


class FieldError(UserError):
    """A mistake at one field of the page.

    Args:
        text: the sentence for the person.
        field: where it is drawn.
        tab: where that field stands, if that may be another tab than the one in view.
    """

    def __init__(self, text: str, field: str, tab: Tab | None = None) -> None:
        super().__init__(text)
        self.field, self.tab = field, tab


@dataclass(frozen=True)
class Answer:
    """What the page does after an action."""

    show: tuple[str, ...] = ()
    """panels to draw anew"""
    tab: Tab | None = None
    """the tab to go to"""
    open: str | None = None
    """the comparison to open"""
    said: str = ""
    """a sentence for the live region"""
    view: Mapping[str, str] = field(default_factory=dict)
    """what else its boards show, this once"""
    anew: bool = False
    """whether fields show what is kept instead of what was typed into them"""
    errors: Mapping[str, str] = field(default_factory=dict)
    """a sentence for each field that has to be mended first"""
    about: Task | None = None
    """what the page is about from now on"""


@dataclass(frozen=True)
class Action:
    """What a click may ask for: typed arguments, what it does, and the field its errors are at."""

    asks: type
    """a frozen dataclass; what the browser sends is built strictly into it"""
    does: Callable[[Desk, Any], Answer]
    field: str
    shows: tuple[str, ...]
    """panels that its errors are drawn in"""


def perform(actions: Mapping[str, Action], desk: Desk, asked: Mapping[str, Any]) -> Answer:
    """Do what the browser asks for; a mistake becomes a sentence at its field.

    A FieldError says which field that is; any other belongs to the action's own.
    """
    name = asked.get("do")
    if not isinstance(name, str) or name not in actions:
        raise SpecError(f"The page asks for {name!r}, which there is not. Load it again.")
    action = actions[name]
    arguments = {key: value for key, value in asked.items() if key not in FRAME}
    try:
        return action.does(desk, tables.build(action.asks, arguments, "page"))
    except FieldError as error:
        return Answer(show=action.shows, tab=error.tab, errors={error.field: on_page(error)})
    except UserError as error:
        return Answer(show=action.shows, errors={action.field: on_page(error)})


def on_page(error: UserError) -> str:
    """The sentence of the command line, without the dashes of its options."""
    return re.sub(r"(?<![\w-])--(\w[\w-]*)", lambda m: m[1].replace("-", " "), str(error))
