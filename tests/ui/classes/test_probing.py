"""A CLIP that is not here is fetched by a probe that measures nothing; finished runs tell times."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.methods import all_methods
from sparse_peft.runs.store import Store
from sparse_peft.tasks import probe
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.estimates import outlook as estimates
from sparse_peft.ui.estimates import probing
from sparse_peft.ui.estimates.chosen import chosen
from tests.tasks.local_job import LocalJob
from tests.ui.classes.own_classes import act, class_desk, lay_classes


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with class_desk(tmp_path) as found:
        yield found


def test_download_asks_for_the_backbone_alone(desk: Desk) -> None:
    act(desk, "clip", backbone="ViT-B-16/openai")
    assert act(desk, "measure").errors == {}
    assert probing.probe_of(desk) == ProbeSettings("ViT-B-16/openai", task="fewshot")
    with Store(desk.home) as store:
        assert [row.kind for row in store.runs()] == ["probe"]
    standing = probing.standing(desk)
    assert standing is not None
    assert standing.busy
    assert probing.standing(desk.turned_to("dreambooth")) is None


def test_such_a_probe_fetches_and_says_so(tmp_path: Path) -> None:
    job = LocalJob(tmp_path / "run", ProbeSettings("builtin", task="fewshot"))
    probe.run(job)
    assert job.read_report()["backbone"] == "builtin"
    assert [event["text"] for event in job.events] == ["Fetching the backbone"]


def test_what_no_run_has_told_is_not_known(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    found = chosen(desk)
    assert found is not None
    outlook = estimates.outlook(desk, found)
    assert set(outlook.methods) == set(found.plain.methods) == set(all_methods())
    assert {each.origin for each in outlook.methods.values()} == {estimates.NOT_KNOWN}
    assert outlook.seconds is None
