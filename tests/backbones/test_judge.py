"""The judge gives unit-norm features, and is not the tower that conditions the UNet."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sparse_peft.backbones import judge
from sparse_peft.backbones.source import BUILTIN
from sparse_peft.errors import BackboneError
from sparse_peft.tasks.dreambooth.gallery import read_picture

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def builtin() -> judge.Judge:
    return judge.load("builtin", CPU)


def test_features_have_unit_norm(builtin: judge.Judge) -> None:
    pictures = builtin.pictures([torch.rand(3, 64, 64) * 2 - 1, torch.rand(3, 128, 128) * 2 - 1])
    prompts = builtin.prompts(["a cat", "a dog in the snow"])
    for features in (pictures, prompts):
        torch.testing.assert_close(features.norm(dim=1), torch.ones(2))


def test_a_subject_is_found_again_in_another_place(builtin: judge.Judge) -> None:
    folder = Path(__file__).parents[2] / "examples" / "subjects"
    pictures = {
        kind.name: [read_picture(p, (0, 0, 128, 128), 64) for p in sorted(kind.glob("*.png"))]
        for kind in sorted(folder.iterdir())
    }
    features = {name: builtin.subjects(rows) for name, rows in pictures.items()}
    for name, own in features.items():
        torch.testing.assert_close(own.norm(dim=1), torch.ones(len(own)))
        same = (own @ own.T).fill_diagonal_(0).sum(1) / (len(own) - 1)
        for other, theirs in features.items():
            if other != name:
                assert (own @ theirs.T).mean() < same.mean(), (name, other)


def test_a_judge_without_a_head_gives_its_own_features(tmp_path: Path) -> None:
    shutil.copytree(BUILTIN / "judge", tmp_path / "judge")
    (tmp_path / "judge" / judge.HEAD_FILE).unlink()
    bare = judge.load(str(tmp_path / "judge"), CPU)
    picture = [torch.rand(3, 64, 64) * 2 - 1]
    assert torch.equal(bare.subjects(picture), bare.pictures(picture))


def test_it_reads_words(builtin: judge.Judge) -> None:
    same, other = builtin.prompts(["a cat", "a car"])
    torch.testing.assert_close(builtin.prompts(["a cat"])[0], same)
    assert same @ other < 0.9


def test_it_is_not_the_text_tower_that_conditions(builtin: judge.Judge) -> None:
    judging = load_file(BUILTIN / "judge" / "open_clip_model.safetensors")
    conditioning = load_file(BUILTIN / "pipeline" / "text_encoder" / "model.safetensors")
    [key] = [k for k in conditioning if k.endswith("final_layer_norm.weight")]
    assert not torch.equal(judging["ln_final.weight"], conditioning[key])
    assert builtin.revision == judge.load("builtin", CPU).revision


def test_the_revision_follows_weights_that_are_no_safetensors_too(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(BUILTIN / "judge", tmp_path / "judge"))
    state = load_file(folder / "open_clip_model.safetensors")
    for path in folder.glob("*.safetensors"):
        path.unlink()
    revisions = set()
    for _ in range(2):
        state["logit_scale"] += 1
        torch.save(state, folder / "open_clip_pytorch_model.bin")
        revisions.add(judge.load(str(folder), CPU).revision)
    assert len(revisions) == 2


def test_an_unknown_judge_is_refused_in_words() -> None:
    with pytest.raises(BackboneError, match="could not be loaded"):
        judge.load("no-such-model/none", CPU)


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", judge.HEAD_FILE])
def test_a_judge_that_was_cut_off_is_refused_in_words(name: str, tmp_path: Path) -> None:
    shutil.copytree(BUILTIN / "judge", tmp_path / "judge")
    os.truncate(tmp_path / "judge" / name, 1000)
    with pytest.raises(BackboneError, match="could not be loaded"):
        judge.load(str(tmp_path / "judge"), CPU)


def test_a_folder_that_is_no_judge_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="could not be loaded"):
        judge.load(str(tmp_path), CPU)
