"""What a person can set on a method: names, types, defaults and help, read from its source."""

import ast
import dataclasses
import inspect
import textwrap
from functools import cache
from typing import Any


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a method, ready for a form or a table."""

    name: str
    type: str
    default: Any
    """None also where the field has no default; see `required`."""
    help: str
    required: bool = False


def settings(method: type) -> list[Setting]:
    """The fields of a method in their order, each with the text written under it."""
    texts = _texts_under_fields(method)
    return [
        Setting(
            name=field.name,
            type=ast.unparse(texts[field.name][0]),
            default=None if field.default is dataclasses.MISSING else field.default,
            help=texts[field.name][1],
            required=field.default is dataclasses.MISSING,
        )
        for field in dataclasses.fields(method)
    ]


@cache  # the page shows the form at every change
def _texts_under_fields(method: type) -> dict[str, tuple[ast.expr, str]]:
    """Annotation and docstring of each annotated name in the body of a class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    [definition] = tree.body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, tuple[ast.expr, str]] = {}
    for here, below in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            found[here.target.id] = (here.annotation, _text(below))
    return found


def _text(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return inspect.cleandoc(str(statement.value.value)).replace("\n", " ")
    return ""
