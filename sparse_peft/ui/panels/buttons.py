"""Buttons of the page."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any


def button(text: str, ask: Mapping[str, Any], kind: str = "") -> str:
    """A button whose click asks the page for something."""
    return (
        f'<button type="button" class="button{kind}" data-ask="{escape(json.dumps(dict(ask)))}">'
        f"{escape(text)}</button>"
    )
