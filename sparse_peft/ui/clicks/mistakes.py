"""Mistakes in fields that still hold them: told with every answer until they are mended."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sparse_peft.ui.clicks.actions import Answer

OF_SUBJECT = ("caption", "noun", "token", "backbone")
OF_CLASSES = ("class_name", "shots", "template", "clip")
OF_PICTURES = (*OF_SUBJECT, *OF_CLASSES)
FIELDS = (*OF_PICTURES, "steps", "train_seeds", "seed", "field", "lr", "prompts")
# What must be mended before a button goes on; "next" brings its own noun.
GATES = {"next": ("caption", "token", "backbone"), "class_next": OF_CLASSES, "start": FIELDS}
ANEW = (
    "teach", "preset", "reset", "again", "more_seeds", "example", "reuse", "clear",
    "class_example", "class_reuse", "class_clear", "forget_all",
)  # fmt: skip
PANELS = ("pictures", "classes", "methods")  # where fields are
MOST_OWNERS = 1000

Field = tuple[object, ...]


class Mistakes:
    """What was told of each person's fields; the caller lets one click of a person in at a time.

    A board that is drawn anew for another reason would else lose the sentence, while the field
    still shows what was typed.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, dict[Field, Mapping[str, str]]] = OrderedDict()

    def before(self, owner: str, asked: Mapping[str, Any]) -> Answer | None:
        """What stands in the way of going on: what was refused, told again; None: nothing does."""
        gate = GATES.get(str(asked.get("do")), ())
        standing = {f: told for f, told in self._of.get(owner, {}).items() if f[0] in gate}
        if not standing:
            return None
        errors = {name: text for told in standing.values() for name, text in told.items()}
        first = any(field[0] in OF_PICTURES for field in standing)
        return Answer(PANELS, "pictures" if first else None, errors=errors)

    def beside(self, owner: str, asked: Mapping[str, Any], answer: Answer) -> Answer:
        """The answer to a click, with the mistakes that still stand elsewhere."""
        standing = self._of.setdefault(owner, {})
        self._of.move_to_end(owner)
        while len(self._of) > MOST_OWNERS:
            self._of.popitem(last=False)
        if asked.get("do") in ANEW and not answer.errors:
            standing.clear()
            answer = replace(answer, anew=True)
        if asked.get("do") in FIELDS:
            field = tuple(str(asked.get(key)) for key in ("do", "method", "name", "picture", "box"))
            standing.pop(field, None)
            if answer.errors:
                standing[field] = answer.errors
        told = {name: text for errors in standing.values() for name, text in errors.items()}
        return replace(answer, errors=told | dict(answer.errors))

    def forget(self, owner: str) -> None:
        """A page that is loaded shows what was kept, so nothing wrong stands in its fields."""
        self._of.pop(owner, None)
