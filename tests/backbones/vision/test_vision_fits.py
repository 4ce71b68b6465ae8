"""Files of weights held against an architecture by their names and shapes alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft.backbones.vision import fits, names
from sparse_peft.backbones.vision import source as vision_source
from sparse_peft.backbones.vision.fits import misfit
from sparse_peft.errors import BackboneError
from tests.backbones.vision.test_vision_weights import google

NAME, WIDER = "vit_tiny_patch16_224", "vit_small_patch16_224"


@pytest.fixture
def state() -> dict[str, Tensor]:
    return dict(timm.create_model(NAME, num_classes=3).state_dict())


def written(state: dict[str, Tensor], folder: Path) -> list[Path]:
    """The same weights in each kind of file."""
    torch.save({"model": state}, folder / "w.pth")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
               folder / "old.pth.tar", _use_new_zipfile_serialization=False)  # fmt: skip
    save_file(state, folder / "w.safetensors")
    model = timm.create_model(NAME, num_classes=3)
    np.savez(folder / "w.npz", **google(model))
    return [folder / name for name in ("w.pth", "old.pth.tar", "w.safetensors", "w.npz")]


def test_a_file_of_the_architecture_fits_and_one_of_another_is_told_by_a_shape(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    for path in written(state, tmp_path):
        assert misfit(NAME, path) == ""
        said = misfit(WIDER, path)
        assert said.startswith(f"{path} is not of {WIDER}: ")
        assert said.endswith("Name the architecture that it is of before the @.")
        if path.suffix == ".npz":
            assert "embedding/kernel has shape (16, 16, 3, 192), not (16, 16, 3, 384)." in said
        else:
            assert "patch_embed.proj.weight has shape (192, 3, 16, 16), not (384, 3, 16," in said


def test_pictures_of_another_size_fit(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    assert misfit("vit_tiny_patch16_384", tmp_path / "w.pth") == ""


def test_one_weight_of_another_shape_is_named(state: dict[str, Tensor], tmp_path: Path) -> None:
    state["blocks.3.mlp.fc1.weight"] = torch.zeros(700, 192)
    save_file(state, tmp_path / "w.safetensors")
    said = misfit(NAME, tmp_path / "w.safetensors")
    assert "blocks.3.mlp.fc1.weight has shape (700, 192), not (768, 192)." in said
    del state["blocks.3.mlp.fc1.weight"]
    torch.save(state, tmp_path / "w.pth")
    assert "it lacks blocks.3.mlp.fc1.weight." in misfit(NAME, tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.npz"])
def test_what_is_no_file_of_weights_is_damaged(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no tensors")
    assert "is damaged" in misfit(NAME, tmp_path / name)


def test_the_reason_is_printed_and_the_source_refuses_with_it(
    state: dict[str, Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "w.safetensors"
    save_file(state, path)

    def asked(module: str, name: str, *arguments: str) -> object:
        assert module == fits.__name__
        fits.main([name, *arguments])
        return json.loads(capsys.readouterr().out)

    monkeypatch.setattr(vision_source, "asked", asked)
    for name in (NAME, WIDER):
        source = names.located(f"timm:{name}@{path}", fetch=False)
        assert source is not None
        if name == NAME:
            vision_source.check_weights(source)
        else:
            with pytest.raises(BackboneError, match=f"is not of {WIDER}: patch_embed"):
                vision_source.check_weights(source)
    random = names.located(f"timm:{NAME}/random", fetch=False)
    assert random is not None
    vision_source.check_weights(random)


@pytest.mark.slow
def test_a_process_of_its_own_tells(state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "w.safetensors")
    source = names.located(f"timm:{WIDER}@{tmp_path / 'w.safetensors'}", fetch=False)
    assert source is not None
    with pytest.raises(BackboneError, match=f"is not of {WIDER}: patch_embed"):
        vision_source.check_weights(source)
