"""Made-up few-shot comparisons as the page gets them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from tests.fake_classes import Maker

Changed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    maker = Maker(tmp_path_factory.mktemp("classes"), classes=4, each=18)
    return compare.assemble(maker.comparison())


@pytest.fixture
def finished(_finished: dict[str, Any]) -> dict[str, Any]:
    """Three methods and both references on four classes, three draws; one's own to change."""
    return deepcopy(_finished)


@pytest.fixture
def unmeasured(tmp_path: Path) -> dict[str, Any]:
    """A comparison whose prepare run has just begun."""
    maker = Maker(tmp_path, classes=4, seeds=(1,))
    runs = (maker.queued("lora"), maker.queued("so"))
    return compare.assemble(maker.outcome(prepare_state="running", runs=runs))
