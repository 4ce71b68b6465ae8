"""A process of its own is asked wherever the page happens to stand."""

from pathlib import Path

import pytest

from sparse_peft.backbones.asked import asked
from sparse_peft.errors import BackboneError

OUTLINE = "sparse_peft.backbones.vision.outline"


@pytest.mark.slow
def test_it_finds_the_package_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('not the one')")
    monkeypatch.chdir(tmp_path)
    assert asked(OUTLINE, "test_vit")["side"] == 160


def test_what_it_cannot_tell_is_said_with_its_reason() -> None:
    with pytest.raises(BackboneError, match=r"test_vit could not be built: .*No module named"):
        asked("sparse_peft.nothing", "test_vit")
