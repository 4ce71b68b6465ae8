"""The finished few-shot comparison of the studio: open to all, and nobody's to change."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keep_example
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from sparse_peft import compare
from sparse_peft.errors import RunError
from sparse_peft.ui.classes.compare.cells import cell
from sparse_peft.ui.comparisons import downloads, live, shipped
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.panels.classes.boxes import board as boxes
from sparse_peft.ui.panels.header import board as header
from sparse_peft.ui.panels.heading import board as heading
from sparse_peft.ui.panels.history import board as history
from sparse_peft.ui.panels.matrix import board as matrix
from sparse_peft.ui.panels.numbers import board as numbers
from sparse_peft.ui.panels.opened import opened
from sparse_peft.ui.shell import owners
from tests.fake_classes import Maker
from tests.ui.boards import drawn, words
from tests.ui.classes.compare.test_routes import HERE, client
from tests.ui.compared import asked, parsed
from tests.ui.own_desk import act
from tests.ui.shells import ALICE, png, shell

ID = "example-classes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A made-up comparison, kept as the script keeps a real one."""
    root = tmp_path_factory.mktemp("shipped")
    maker = Maker(root / "made", classes=4, each=12, seeds=(1, 2))
    out = root / "out"
    value = compare.write(out, maker.comparison())
    kept = replace(keep_example.CLASSES, target=root / "kept")
    keep_example.keep(out, kept, keep_example.written(value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        yield kept.target


@pytest.fixture(autouse=True)
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shipped.FOLDERS, ID, folder)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Studio(tmp_path), owners.owner_of(ALICE), ID)


def test_it_is_marked_and_offers_nothing_that_needs_runs(desk: Desk) -> None:
    found = opened(desk)
    assert found is not None
    assert (found.read_only, found.alone, found.name) == (
        True,
        False,
        "Toys, 4 shots, Built-in CLIP",
    )
    pages = [parsed(panel.render(desk, {})["html"]) for panel in (heading, matrix, numbers)]
    assert "Example" in pages[0].said
    text = " ".join(page.text for page in pages)
    for said in ("What the test pictures say", "What was taken for what", "Class by class", "Costs",
                 "Training curves", "Predictions CSV"):  # fmt: skip
        assert said in text
    for never in ("Try a picture", "open_clip checkpoint", "Rename", "Adapters", "Run again"):
        assert never not in text
    assert [ask for page in pages for ask in asked(page)] == []
    assert matrix.render(desk, {})["data"]["confusion"]["comparison"] == ID
    assert matrix.render(desk, {})["data"]["trying"] is None


@pytest.mark.parametrize(("task", "example"), [("dreambooth", "example"), ("fewshot", ID)])
def test_see_an_example_opens_the_one_of_the_page_s_task(
    desk: Desk, task: str, example: str
) -> None:
    ask = {"do": "open", "comparison": shipped.FITTING}
    assert ask in asked(parsed(header.render(desk, {})["html"]))
    turned = desk.turned_to(task)  # type: ignore[arg-type]
    answer = act(turned, **ask)
    assert (answer.open, answer.tab, answer.errors) == (example, "compare", {})
    assert act(turned, "open", comparison=ID).open == ID


def test_the_first_step_and_history_lead_to_it(desk: Desk) -> None:
    link = f'<a href="/?comparison={ID}">or see a finished comparison</a>'
    assert link in boxes.render(desk.turned_to("fewshot"), {})["html"]
    html = drawn(history, desk)
    assert "Four classes, finished Example LoRA WaveFT SO Done · 6,144 values Open" in words(html)
    assert html.count(f'src="/studio/{ID}/pictures/') == 4


def test_where_it_does_not_come_along_nothing_leads_to_it(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shipped.FOLDERS, ID, tmp_path / "none")
    turned = desk.turned_to("fewshot")
    assert "finished comparison" not in boxes.render(turned, {})["html"]
    assert act(turned, "open", comparison=shipped.FITTING).open == "example"
    assert act(turned, "open", comparison=ID).open is None
    assert ID not in drawn(history, desk)
    with pytest.raises(RunError, match="There is no comparison"):
        live.comparison_of(desk, ID)


def test_a_mistake_opens_its_pictures_with_what_every_row_said(desk: Desk) -> None:
    value = live.comparison_of(desk, ID)
    row = next(row for row in value["runs"] if row["method"] == "lora")
    for key, entries in row["confused"].items():
        truth, predicted = (int(part) for part in key.split(","))
        found = cell(desk, ID, "lora", truth, predicted)
        assert found["of"] == row["confusion"][truth][predicted]
        assert [one["seed"] for one in found["pictures"]] == [one["seed"] for one in entries]
        for one, entry in zip(found["pictures"], entries, strict=True):
            assert one["src"] == f"/studio/{ID}/pictures/{entry['place']}.png"
            said = {each["row"]: each for each in one["said"]}
            assert list(said) == ["zeroshot", "linear_probe", "lora", "waveft", "so"]
            assert said["lora"]["class"] == value["classes"][predicted]
            assert said["lora"]["confidence"] == pytest.approx(entry["confidence"], abs=1e-4)
    with pytest.raises(RunError, match="no such cell"):
        cell(desk, ID, "lora", 4, 0)
    with pytest.raises(RunError, match="it has no classes"):
        cell(desk, "example", "lora", 0, 0)


def test_it_is_open_to_all_over_http(desk: Desk) -> None:
    app = shell(desk.home)
    alice, nobody = client(app, ALICE), TestClient(app, base_url=HERE)
    value = live.comparison_of(desk, ID)
    path = next(iter(value["examples"].values()))
    for picture in (path, value["runs"][2]["runs"][0]["change"]):
        answer = nobody.get(live.source_of(desk, ID)(picture))
        with Image.open(io.BytesIO(answer.content)) as shown:
            assert shown.format == "PNG"
    for name in ("comparison.json", "predictions.csv", "../comparison.json"):
        assert nobody.get(f"/studio/{ID}/{name}").status_code in (400, 403, 404)
    truth, predicted = next(iter(value["runs"][0]["confused"])).split(",")
    url = f"/studio/comparisons/{ID}/cell?row=zeroshot&truth={truth}&predicted={predicted}"
    assert alice.get(url).json()["pictures"]
    for name in ("report.html", "comparison.json", "predictions.csv"):
        assert nobody.get(f"/studio/downloads/{ID}/{name}").status_code == 200
    tried = alice.post(
        f"/studio/comparisons/{ID}/try", files={"pictures": ("a.png", png(), "image/png")}
    )
    assert tried.status_code == 404
    assert alice.get(f"/studio/comparisons/{ID}/pictures/0").status_code == 404
    assert not desk.folder.exists()


def test_what_can_be_taken_away_is_whole(desk: Desk) -> None:
    rows = list(csv.DictReader(io.StringIO(_got(desk, "predictions.csv").decode())))
    assert len(rows) == 5 * sum(live.comparison_of(desk, ID)["test_pictures"].values())
    report = _got(desk, "report.html").decode()
    assert "LoRA names more pictures right" in report
    assert report.count("data:image/") >= len(live.comparison_of(desk, ID)["examples"])
    with pytest.raises(RunError, match="comes without its adapters"):
        downloads.make(desk, ID, "adapters.zip")
    for what in ("merged-lora-s1.zip", "classify-lora-s1.py", "grid.png"):
        with pytest.raises(RunError, match="There is no download"):
            downloads.make(desk, ID, what)


def test_nothing_can_be_done_with_it(desk: Desk) -> None:
    for do in ("again", "more_seeds", "rename", "delete", "merge"):
        extra = {"rename": {"name": "x"}, "merge": {"run": "lora-s1"}}.get(do, {})
        errors = act(desk, do, comparison=ID, **extra).errors
        assert any("There is no comparison" in text for text in errors.values()), do


def _got(desk: Desk, what: str) -> bytes:
    content = downloads.make(desk, ID, what)[0]
    assert isinstance(content, bytes)
    return content
