"""The few-shot report: one file, no request, nothing hostile runs, nothing absent is a number."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sparse_peft import compare
from sparse_peft.report import page
from sparse_peft.report.classes import sections, sheet
from sparse_peft.report.pictures import Read, below
from tests.fake_classes import Maker
from tests.report.test_page import HOSTILE, Page


def noise(label: int, place: int) -> Image.Image:
    """A picture that PNG cannot make small, as a photograph is."""
    return Image.effect_noise((120, 90), 90.0 + label + place).convert("RGB")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Any picture of a comparison."""
    small = tmp_path / "small.png"
    Image.new("RGB", (8, 8)).save(small)
    return lambda _: small.read_bytes()


def test_the_page_is_whole_and_asks_no_host(finished: dict[str, Any], read: Read) -> None:
    told = Page(page.page(finished, read))
    assert told.open == []
    for tag, attributes in told.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, value)
    for word in (
        "Toys, 4 shots",
        "LoRA names more pictures right",
        "Class by class",
        "Costs",
        "For a paper",
    ):
        assert word in told.text
    assert "None" not in told.text
    assert "nan" not in told.text.lower().split()


def test_only_its_own_script_may_run(finished: dict[str, Any], read: Read) -> None:
    text = page.page(finished, read)
    data, script = Page(text).scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert set(json.loads(data)["pictures"]) == set(finished["examples"])


def test_hostile_names_stay_text(tmp_path: Path, read: Read) -> None:
    (tmp_path / "runs").mkdir()
    maker = Maker(tmp_path / "runs", each=9, seeds=(1,))
    maker.classes = tuple(f"{HOSTILE}{i}" for i in range(5))
    outcome = maker.comparison(
        methods=("lora",),
        title=HOSTILE,
        template=HOSTILE + "{}",
        names=dict.fromkeys(range(45), HOSTILE),
    )
    told = Page(page.page(compare.assemble(outcome), read))
    assert told.open == []
    assert len(told.scripts) == 2
    assert all("onerror" not in attributes for _, attributes in told.tags)
    assert not any(tag == "img" for tag, _ in told.tags)


def test_without_results_the_page_still_stands(unmeasured: dict[str, Any], read: Read) -> None:
    told = Page(page.page(unmeasured, read))
    assert told.open == []
    assert "Nothing to compare yet." in told.text
    assert "Nothing was measured yet." in told.text
    assert "No losses were kept." in told.text
    assert "None" not in told.text


def test_what_was_stopped_is_said_and_what_waits_is_not(
    finished: dict[str, Any], read: Read
) -> None:
    finished["runs"][3]["runs"][1] |= {"state": "failed", "error": "the loss became infinite.",
                                       "accuracy": None}  # fmt: skip
    finished["runs"][4]["runs"][1] |= {"state": "queued", "accuracy": None}
    told = Page(page.page(finished, read))
    assert "WaveFT, draw 2. Stopped: the loss became infinite." in told.text
    assert sum(attributes.get("class") == "stopped" for _, attributes in told.tags) == 1


def test_photographs_are_embedded_small(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    maker = Maker(tmp_path / "runs", classes=3, each=9, seeds=(1,), paint=noise)
    value = compare.write(tmp_path / "out", maker.comparison(methods=("lora",)))
    data = json.loads(Page((tmp_path / "out" / "index.html").read_text("utf-8")).scripts[0])
    assert data["pictures"]
    for place, source in data["pictures"].items():
        assert source.startswith("data:image/jpeg")
        own = below(tmp_path / "out")(value["examples"][place])
        assert len(source) < len(own)
        with Image.open(tmp_path / "out" / value["examples"][place]) as kept:
            assert max(kept.size) == 96


def test_the_chart_has_a_row_for_each_method(
    finished: dict[str, Any], unmeasured: dict[str, Any]
) -> None:
    five, three = sheet.draw(finished), sheet.draw(unmeasured)
    assert five.width == three.width == 1200
    assert five.height - three.height == 2 * sheet.ROW
    lora = finished["runs"][2]["metrics"]["accuracy"]["mean"]
    x = round(32 + 220 + lora * (1200 - 64 - 220 - 240))
    assert five.getpixel((x - 2, sheet.HEAD + 2 * sheet.ROW + 14)) == (0x2B, 0x5A, 0xBB)


def test_a_backbone_without_words_is_not_said_to_read_any(finished: dict[str, Any]) -> None:
    assert "CLIP reads: “a photo of a apple.” and so on." in sections.class_names(finished)
    assert "reads" not in sections.class_names(finished | {"reference": "linear_probe"})


def test_a_command_of_one_draw_says_of_which(finished: dict[str, Any]) -> None:
    """The command of a method repeats one of its trainings; that of the whole repeats all."""
    heads = re.findall(r"<h3>(.*?)</h3>", sections.commands(finished))
    assert heads == ["All", "LoRA, draw 1", "WaveFT, draw 1", "SO, draw 1"]
    for row in finished["runs"]:
        row["runs"] = row["runs"][:1]
    assert "<h3>LoRA</h3>" in sections.commands(finished)
