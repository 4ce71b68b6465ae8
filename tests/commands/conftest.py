"""A desk for each test, in whose home no runner can start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.files import Lock
from sparse_peft.runs.runner import runner_lock_path

from .desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)  # so all paths on the command line are relative
    with Lock(runner_lock_path(tmp_path / "home")):
        yield Desk(tmp_path)
