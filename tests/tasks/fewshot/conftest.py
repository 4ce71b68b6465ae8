"""What the tests of the few-shot task share: one small CLIP for them all."""

from pathlib import Path

import pytest

from tests.tasks.fewshot.small import small_clip


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clip"))
