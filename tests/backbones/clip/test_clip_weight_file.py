"""A file that is none of weights is told from its first bytes, before anything is asked for it."""

import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.model import load
from sparse_peft.backbones.clip.names import ClipSource
from sparse_peft.backbones.clip.weight_file import check_start
from sparse_peft.errors import BackboneError

TENSORS = {"weight": torch.zeros(3, 2)}


def test_every_kind_of_weights_passes(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "zip.pt")
    torch.save(TENSORS, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(TENSORS, tmp_path / "w.safetensors")
    np.savez(tmp_path / "w.npz", weight=np.zeros(3))
    np.save(tmp_path / "w.npy", np.zeros(3))
    for path in tmp_path.iterdir():
        check_start(path, "ViT")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w.npz", "w.npy", "w"])
@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(200)), b"\x80\x02cos\nsystem\n."])
def test_what_is_none_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackboneError, match=rf"^ViT could not be loaded: .*{name} is damaged, or"):
        check_start(tmp_path / name, "ViT")


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("é/data.pkl", b"x")
    content = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(content.replace("é".encode(), b"\xff\xff"))
    with pytest.raises(BackboneError, match="is damaged"):
        check_start(tmp_path / "w.pt", "ViT")


def test_a_table_of_tensors_that_has_changed_is_refused(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(content.replace(b"weight", b"wait!!"))
    with pytest.raises(BackboneError, match="is damaged"):
        check_start(tmp_path / "w.pt", "ViT")


class Offline:
    """No socket can be made, and whoever tries is known."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Any] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._ask)

    def _ask(self, *host: Any, **_: Any) -> Any:
        self.asked.append(host)
        raise socket.gaierror("no network here")


def test_no_network_is_asked_for_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = Offline(monkeypatch)
    name = "roberta-ViT-B-32"  # its text encoder is described on the hub
    file = tmp_path / "bad.pt"
    file.write_bytes(b"no weights")
    with pytest.raises(BackboneError, match="Fetch it again"):
        clip_source.resolve(f"{name}@{file}")
    source = ClipSource("x", tmp_path, "clip", name, architecture=name, weights=file)
    with pytest.raises(BackboneError, match="holds more than tensors"):
        load(source, torch.device("cpu"))
    assert offline.asked == []
