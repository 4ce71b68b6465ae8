"""A comparison for the page: as it stands, its owner's alone, read again only where it moved."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sparse_peft import compare
from sparse_peft.errors import RunError
from sparse_peft.measure import Drawn
from sparse_peft.outcome import outcome
from sparse_peft.runs.events import EventLog
from sparse_peft.runs.store import Store
from sparse_peft.ui.comparisons import live
from sparse_peft.ui.desk.desk import Desk
from tests.ui.kept import OTHER, folders, keep


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Desk, str]:
    return keep(tmp_path, finished=("waveft", "lora"))


def test_it_is_what_would_be_written(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    value = live.comparison_of(desk, comparison)
    assert value == compare.assemble(outcome(desk.home, comparison))
    assert [run["state"] for run in value["runs"]] == ["finished", "finished", "queued"]
    assert value["runs"][0]["metrics"]["subject_fidelity"] is not None


def test_another_persons_is_not_there(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    stranger = Desk(desk.studio, OTHER)
    for ask in (live.comparison_of, live.source_of, live.read_of):
        for asked in (comparison, f"{comparison}+{comparison}", "nothing", "", "../.."):
            with pytest.raises(RunError, match=r"There is no comparison .* here"):
                ask(stranger, asked)


def test_the_example_is_everyones(kept: tuple[Desk, str]) -> None:
    stranger = Desk(kept[0].studio, OTHER)
    value = live.comparison_of(stranger, "example")
    path = value["runs"][0]["change"]
    assert live.source_of(stranger, "example")(path) == f"/studio/example/{path}"
    assert live.read_of(stranger, "example")(path)[:4] == b"\x89PNG"


def test_addresses_lead_to_the_files(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    value, source = live.comparison_of(desk, comparison), live.source_of(desk, comparison)
    run = value["runs"][1]
    paths = [value["base"]["samples"][0]["path"], run["samples"][2]["path"],
             run["history"][0]["path"], run["change"]]  # fmt: skip
    for path in paths:
        address = source(path)
        assert address.startswith("/studio/files/")
        assert (desk.home / "runs" / address.removeprefix("/studio/files/")).is_file()
    address = urlsplit(source(value["pictures"][0]))
    own = address.path.removeprefix("/studio/data/")
    assert (desk.home / "data" / desk.owner / own).is_file()
    assert len(parse_qs(address.query)["square"][0].split(",")) == 4


def test_runs_are_read_again_only_where_they_have_changed(
    kept: tuple[Desk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, comparison = kept
    before = live.comparison_of(desk, comparison)
    read, seen = Drawn.read, []

    def counting(folder: Path, base: Drawn | None = None) -> Drawn:
        seen.append(folder)
        return read(folder, base)

    monkeypatch.setattr(Drawn, "read", counting)
    assert live.comparison_of(desk, comparison) == before
    assert seen == []
    folder = folders(desk, comparison)["lora"]
    told = json.loads((folder / "report.json").read_text()) | {"seconds": 1.5}
    (folder / "report.json").write_text(json.dumps(told))
    assert live.comparison_of(desk, comparison)["runs"][1]["seconds"] == 1.5
    assert seen == [folder]


def test_pictures_appear_as_they_are_drawn(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    assert live.comparison_of(desk, comparison)["runs"][2]["history"] == []
    folder = folders(desk, comparison)["so"]
    path = "samples/step000050/p00-s0.png"
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_bytes(b"a picture")
    log = EventLog(folder / "events.jsonl", 1)
    log.emit("step", step=50, loss=0.5, lr=1e-3, step_ms=1.0)
    log.emit("sample", step=50, prompt=0, seed=0, path=path, subject=0.5, prompt_score=0.5)
    run = live.comparison_of(desk, comparison)["runs"][2]
    assert [row["step"] for row in run["history"]] == [50]
    assert run["losses"] == [[50, 0.5]]
    address = live.source_of(desk, comparison)(run["history"][0]["path"])
    assert address == f"/studio/files/{run['run']}/{path}"


def test_a_state_is_never_old(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    run = live.comparison_of(desk, comparison)["runs"][2]
    with Store(desk.home) as store:
        store.end(run["run"], "failed", error="It broke.")
    run = live.comparison_of(desk, comparison)["runs"][2]
    assert (run["state"], run["error"]) == ("failed", "It broke.")
