"""A comparison.json from elsewhere: a text where a number should stand never becomes markup."""

import io
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sparse_peft import compare
from sparse_peft.commands.report import DAMAGE
from sparse_peft.report import page
from tests import fake_classes, fake_outcome
from tests.report.test_page import HOSTILE, Page

Place = tuple[str | int, ...]


def numbers(part: Any, at: Place = ()) -> Iterator[Place]:
    """Where numbers stand; of a list in its last entry alone: a method, not a reference."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from numbers(value, (*at, key))
    elif isinstance(part, list):
        if part:
            yield from numbers(part[-1], (*at, len(part) - 1))
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield at


def put(value: dict[str, Any], place: Place, text: str) -> dict[str, Any]:
    """The same comparison with a text at that place."""
    changed = deepcopy(value)
    part: Any = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = text
    return changed


@pytest.fixture(params=["classes", "subject"])
def value(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """A finished comparison of few numbers."""
    value: dict[str, Any]
    if request.param == "classes":
        maker = fake_classes.Maker(tmp_path, classes=3, each=12, seeds=(1,))
        value = compare.assemble(maker.comparison(methods=("so",), references=("zeroshot",)))
        assert value["runs"][-1]["most_confused"]
    else:
        subject = fake_outcome.Maker(tmp_path, prompts=1, seeds=(0,))
        value = compare.assemble(subject.comparison(methods=("lora",)))
    for run in value["runs"]:
        for one in [run, *run.get("runs", [])]:
            one["preset_steps"] = 250 if one.get("run") else None
            one["losses"] = (one.get("losses") or [])[:2]
    return value


def test_it_is_refused_or_stays_text(value: dict[str, Any]) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "PNG")
    places = list(numbers(value))
    assert len(places) > 40
    for place in places:
        try:
            text = page.page(put(value, place, HOSTILE), lambda _: picture.getvalue())
        except DAMAGE:
            continue
        found = Page(text)
        assert len(found.scripts) == 2, place
        assert not any("onerror" in attrs for _, attrs in found.tags), place
