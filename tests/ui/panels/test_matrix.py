"""The pictures of the Compare tab: all there, in their places, with an address for each step."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.runs.events import EventLog
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec
from sparse_peft.runs.store import Store
from sparse_peft.tables import table
from sparse_peft.tasks.dreambooth.recipe import GenerateSettings
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.matrix import board as matrix
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch.watching import watcher
from tests.report.test_page import Page
from tests.ui.compared import HOSTILE, desk_at, made, of_class, parsed, with_live
from tests.ui.kept import keep

PANELS = Path(matrix.__file__).parents[1]
REPORT = PANELS.parents[1] / "report" / "scripts"


def drawn(
    monkeypatch: pytest.MonkeyPatch, found: Opened | None, errors: dict[str, str] | None = None
) -> tuple[Page, Any]:
    monkeypatch.setattr(matrix, "opened", lambda _: found)
    value = matrix.render(desk_at(Path("nowhere")), errors or {})
    return parsed(value["html"]), json.loads(json.dumps(value["data"]))


def images(page: Page) -> list[dict[str, str | None]]:
    return [attrs for tag, attrs in page.tags if tag == "img" and "data-column" in attrs]


@pytest.mark.parametrize(("count", "cell"), [(3, 224), (6, 136), (12, 70)])
def test_a_square_for_each_prompt_and_column(
    monkeypatch: pytest.MonkeyPatch, count: int, cell: int
) -> None:
    page, data = drawn(monkeypatch, made(count))
    assert len(images(page)) == 2 * (count + 1)
    assert f"--columns:{count + 1};--cell:{cell}px" in str(of_class(page, "matrix")[0]["style"])
    cells = [attrs for _, attrs in page.tags if attrs.get("role") == "gridcell"]
    assert len(cells) == len(images(page))
    assert all(attrs["tabindex"] == "-1" for attrs in cells)  # the script gives one of them a stop
    assert ("matrix-large" in page_classes(page)) == (count == 12)
    assert len(data["labels"]) == count + 1
    for tag, attrs in page.tags:
        assert tag != "img" or "alt" in attrs
    assert all(attrs["alt"] for attrs in images(page))


@pytest.mark.parametrize(("count", "boxes"), [(3, 0), (6, 0), (7, 7), (13, 13)])
def test_many_methods_have_a_line_that_leaves_out_and_puts_in_order(
    monkeypatch: pytest.MonkeyPatch, count: int, boxes: int
) -> None:
    page, data = drawn(monkeypatch, made(count))
    named = [attrs["value"] for _, attrs in page.tags if attrs.get("name") == "in-view"]
    assert len(named) == boxes
    assert "base" not in named
    menus = [attrs for _, attrs in page.tags if attrs.get("data-view") == "order"]
    assert len(menus) == (count > 3)
    for order in data["orders"].values():
        assert order[0] == "base"
        assert sorted(order) == sorted(data["labels"])


def page_classes(page: Page) -> set[str]:
    return {name for _, attrs in page.tags for name in (attrs.get("class") or "").split()}


def test_the_data_holds_every_picture_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made()
    _, data = drawn(monkeypatch, found)
    assert data["all"] == [0, 50, 100, 150, 200]
    wanted = {f"base/0/{p}/{s}" for p in range(2) for s in range(3)}
    for run in ("lora", "waveft", "so"):
        wanted |= {f"{run}/200/{p}/{s}" for p in range(2) for s in range(3)}
        wanted |= {f"{run}/{step}/{p}/0" for step in (50, 100, 150) for p in range(2)}
    assert set(data["pictures"]) == wanted
    assert set(data["scores"]) == wanted
    assert all(address.startswith("/files/samples/") for address in data["pictures"].values())
    assert data["columns"] == {"lora": ["lora"], "waveft": ["waveft"], "so": ["so"]}
    assert data["comparison"] == "c1"
    assert data["texts"]["0"] == "a photo of your dog in the snow"
    assert data["prompts"]["0"] == "a photo of sks dog in the snow"
    assert len(data["mine"]) == 3


def test_scores_are_on_the_scale_of_the_anchors_where_it_carries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = made()
    anchor = found.comparison["anchors"]["subject_fidelity"]
    anchor |= {"zero": 0.2, "hundred": 0.6, "usable": True}
    found.comparison["anchors"]["prompt_fidelity"]["usable"] = False
    row = found.comparison["runs"][0]["history"][0]
    row |= {"subject": 0.4, "prompt_score": 0.75}
    key = f"lora/{row['step']}/{row['prompt']}/{row['seed']}"
    _, data = drawn(monkeypatch, found)
    assert data["scores"][key] == ["50 (raw 0.400)", "0.750 (cosine)"]


def test_squares_to_come_are_empty_until_their_step(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(
        1,
        lambda maker, outcome: replace(
            outcome,
            runs=(
                *outcome.runs,
                maker.unfinished("waveft", state="running"),
                maker.queued("so"),
            ),
        ),
    )
    page, data = drawn(monkeypatch, found)
    assert data["due"]["so"] == [50, 100, 150, 200]
    assert data["due"]["waveft"] == [150, 200]
    assert data["steps"]["waveft"] == [50, 100]
    so = [attrs for attrs in images(page) if attrs["data-column"] == "so"]
    assert all(str(attrs["src"]).startswith("data:image/gif") for attrs in so)
    waveft = [attrs for attrs in images(page) if attrs["data-column"] == "waveft"]
    assert all("step000100" in str(attrs["src"]) for attrs in waveft)
    assert len([a for a in of_class(page, "absent") if a.get("role") == "gridcell"]) == 2


def test_the_menu_puts_columns_in_four_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(6)
    full = next(run for run in found.comparison["runs"] if run["method"] == "full")
    full["metrics"] = dict.fromkeys(full["metrics"])
    full["footprint"] = None
    page, data = drawn(monkeypatch, found)
    methods = ["lora", "waveft", "so", "snell", "shira", "full"]
    assert data["orders"]["ticked"] == ["base", *methods]
    assert data["orders"]["subject"][:2] == ["base", "waveft"]
    assert data["orders"]["subject"][-1] == data["orders"]["stored"][-1] == "full"
    assert all(sorted(order) == sorted(["base", *methods]) for order in data["orders"].values())
    assert any(attrs.get("data-view") == "order" for _, attrs in page.tags)
    few, _ = drawn(monkeypatch, made(2))
    assert not any(attrs.get("data-view") == "order" for _, attrs in few.tags)


def test_over_budget_and_where_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made()
    found.comparison["runs"][1]["over_budget"] = True
    page, _ = drawn(monkeypatch, found)
    assert "over budget" in page.text
    maps = of_class(page, "map")
    assert [attrs["alt"] for attrs in maps] == [
        f"{name}: where one layer changed" for name in ("LoRA", "WaveFT", "SO")
    ]
    assert "139,720 weights" in page.text
    assert "all weights" in page.text
    assert "The number counts what changed in all layers" in page.text


def test_prompts_of_ones_own_wait_for_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made()
    field = {"id": "matrix-own"}
    page, _ = drawn(monkeypatch, found, {"prompt": "Write one prompt on one line."})
    own = next(attrs for _, attrs in page.tags if attrs.get("id") == field["id"])
    assert own["aria-invalid"] == "true"
    assert any(attrs.get("id") == own["aria-describedby"] for _, attrs in page.tags)
    for run in found.comparison["runs"]:
        run["adapter"] = None
    page, _ = drawn(monkeypatch, found)
    own = next(attrs for _, attrs in page.tags if attrs.get("id") == field["id"])
    assert "disabled" in own
    assert "As soon as a method has finished." in page.text
    page, _ = drawn(monkeypatch, replace(found, id="example"))
    assert not any(attrs.get("id") == field["id"] for _, attrs in page.tags)


def test_hostile_words_stay_words(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made()
    value = dict(found.comparison, noun=HOSTILE, prompts=[HOSTILE, HOSTILE])
    value["runs"] = [dict(run, label=HOSTILE, knob=HOSTILE) for run in value["runs"]]
    page, data = drawn(monkeypatch, replace(found, comparison=value), {"prompt": HOSTILE})
    assert page.text.count("<script>alert(1)</script>") > 10
    assert data["prompts"]["0"] == HOSTILE


def test_nothing_is_drawn_where_nothing_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    page, data = drawn(monkeypatch, None)
    assert page.tags == []
    assert data is None


def test_the_example_is_all_there() -> None:
    value = matrix.render(replace(desk_at(Path("nowhere")), open="example"), {})
    page, data = parsed(value["html"]), value["data"]
    assert len(images(page)) == 8 * 4
    assert len(data["pictures"]) == 24 * 4 + 8 * 3
    folder = PANELS.parents[2] / "examples" / "comparison"
    for address in [*data["pictures"].values(), *data["mine"]]:
        assert (folder / address.removeprefix("/studio/example/")).is_file()


@pytest.fixture
def kept(tmp_path: Path) -> Desk:
    desk, comparison = keep(tmp_path)
    return replace(desk, open=comparison)


def test_the_closest_of_the_persons_pictures_is_known(kept: Desk) -> None:
    data = matrix.render(kept, {})["data"]
    finals = {key for key in data["pictures"] if "/200/" in key or key.startswith("base/")}
    assert set(data["closest"]) == finals
    assert set(data["closest"].values()) <= set(range(5))  # as many as features were made
    folder = RunDirectory.of(kept.home, watcher(kept.home).plan(str(kept.open)).runs[0].run).path
    (folder / "features.safetensors").write_bytes(b"damaged")
    again = matrix.render(kept, {})["data"]["closest"]
    assert {key for key in finals if key.startswith("waveft/")}.isdisjoint(again)


def test_own_prompts_are_rows_that_fill(kept: Desk) -> None:
    plan = watcher(kept.home).plan(str(kept.open))
    asked = GenerateSettings(plan.shared, "a {subject} on a boat", (4,), ("lora", "so"))
    spec = RunSpec("generate1", "generate", kept.owner, kept.open, table(asked))
    with Store(kept.home) as store:
        store.submit(None, [spec])
    row = matrix.render(kept, {})
    assert row["data"]["notes"] == {"own-generate1": "Waiting ..."}
    folder = RunDirectory.of(kept.home, "generate1").path
    log = EventLog(folder / "events.jsonl", 1)
    for name in ("base", "lora"):
        path = f"samples/{name}/p00-s4.png"
        log.emit("sample", step=0, prompt=0, seed=4, path=path, subject=None, prompt_score=None)
    with Store(kept.home) as store:
        store.end("generate1", "finished")
    value = matrix.render(kept, {})
    page, data = parsed(value["html"]), value["data"]
    assert data["own"] == {"own-generate1": 4}
    assert data["notes"] == {}
    assert data["texts"]["own-generate1"] == "your cat on a boat"
    address = "/studio/files/generate1/samples/lora/p00-s4.png"
    assert data["pictures"]["lora/own/own-generate1/4"] == address
    assert "so/own/own-generate1/4" not in data["pictures"]
    own = [attrs for attrs in images(page) if attrs["data-prompt"] == "own-generate1"]
    assert [str(a["src"]).startswith("/studio") for a in own] == [True, False, True, False]


def test_a_failed_prompt_says_why(kept: Desk) -> None:
    plan = watcher(kept.home).plan(str(kept.open))
    asked = GenerateSettings(plan.shared, f"a {{subject}} {HOSTILE}", (0,), ("lora",))
    spec = RunSpec("generate1", "generate", kept.owner, kept.open, table(asked))
    with Store(kept.home) as store:
        store.submit(None, [spec])
        store.end("generate1", "failed", error=HOSTILE)
    value = matrix.render(kept, {})
    assert value["data"]["notes"] == {"own-generate1": f"Stopped: {HOSTILE}"}
    assert "<script>alert(1)</script>" in parsed(value["html"]).text


def test_side_by_side_no_prompt_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(with_live(made()), id="c1+c2")
    page, _ = drawn(monkeypatch, found)
    assert not any(attrs.get("id") == "matrix-own" for _, attrs in page.tags)


@pytest.mark.parametrize(
    "path",
    [
        *(REPORT / f"{name}.js" for name in ("finding", "holding", "matrix")),
        *sorted(PANELS.glob("matrix/*.js")),
        PANELS / "heading" / "heading.js",
        PANELS / "numbers" / "numbers.js",
    ],
    ids=lambda path: path.name,
)
def test_scripts_are_short_and_write_no_html(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert not any(
        word in text for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(")
    )
