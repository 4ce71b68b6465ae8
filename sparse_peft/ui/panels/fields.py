"""How a field says that what stands in it has to be mended."""

from collections.abc import Mapping
from html import escape


def invalid(errors: Mapping[str, str], field: str) -> str:
    """The attribute that marks it."""
    return ' aria-invalid="true"' if field in errors else ""


def error(errors: Mapping[str, str], field: str) -> str:
    """The sentence about it."""
    if not errors.get(field):
        return ""
    return f'<p class="error" role="alert">{escape(errors[field])}</p>'
