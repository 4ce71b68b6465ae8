"""What a CLIP's weights file is, read from the file itself."""

import zipfile
from pathlib import Path

from sparse_peft.backbones.clip.names import is_torchscript


def archive(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"")


def test_a_torchscript_archive_is_known_by_its_constants(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    archive(path, "weights/data.pkl", "weights/constants.pkl")
    assert is_torchscript(path)
    archive(path, "weights/data.pkl", "weights/version")  # as torch.save writes it
    assert not is_torchscript(path)
    path.write_bytes(b"no archive")
    assert not is_torchscript(path)


def test_a_file_in_the_place_of_another_is_looked_at_anew(tmp_path: Path) -> None:
    """A server that runs for days must not answer for the file that was there first."""
    path, other = tmp_path / "weights.pt", tmp_path / "other.pt"
    archive(path, "weights/data.pkl")
    archive(other, "weights/constants.pkl")
    assert not is_torchscript(path)
    other.replace(path)
    assert is_torchscript(path)
    path.write_bytes(b"no archive")
    assert not is_torchscript(path)
