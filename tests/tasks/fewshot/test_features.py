"""Features are computed anew only where a tower is tuned, and are the same either way."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.model import Clip
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from sparse_peft.tasks.fewshot.features import Features, batches, scale_of
from sparse_peft.tasks.fewshot.pictures import Pictures, framing, scaled
from tests.labelled_sets import small_set
from tests.tasks.fewshot.small import shared_by

CPU = torch.device("cpu")
PLACES = [0, 3, 7]


@pytest.fixture(scope="module")
def model(backbone: Path) -> Clip:
    return clip.load(clip_source.resolve(str(backbone)), CPU)


@pytest.fixture
def pictures(model: Clip, tmp_path: Path) -> Pictures:
    labelled, folder = small_set(tmp_path)
    return Pictures(labelled, folder, framing(32, model.config()["preprocess_cfg"]))


@pytest.fixture
def frozen(model: Clip, pictures: Pictures, backbone: Path) -> dict[str, Tensor]:
    shared = shared_by(backbone, new_classes=("dog",), labels=(0, 1, 2, 3))
    with torch.no_grad():
        return {
            "places": torch.tensor(PLACES, dtype=torch.int32),
            "pictures": model.pictures(scaled(pictures.squares(PLACES), CPU)),
            "texts": model.texts(model.tokens(shared.prompts())),
            "new_texts": model.texts(model.tokens(shared.prompts(new=True))),
        }


class Asked(Clip):
    """A Clip that counts how often it is asked."""

    def __init__(self, model: Clip) -> None:
        vars(self).update(vars(model))
        self.calls: list[str] = []

    def pictures(self, batch: Tensor) -> Tensor:
        self.calls.append("pictures")
        return super().pictures(batch)

    def texts(self, tokens: Tensor) -> Tensor:
        self.calls.append("texts")
        return super().texts(tokens)


@pytest.mark.parametrize("tuned", [{"visual"}, {"text"}, {"visual", "text"}])
def test_a_frozen_side_is_looked_up_and_the_other_is_computed(
    model: Clip, pictures: Pictures, frozen: dict[str, Tensor], backbone: Path, tuned: set[str]
) -> None:
    asked = Asked(model)
    shared = shared_by(backbone, new_classes=("dog",), labels=(0, 1, 2, 3))
    features = Features(asked, pictures, shared, frozen, tuned)
    with torch.no_grad():
        torch.testing.assert_close(features.texts(), frozen["texts"])
        torch.testing.assert_close(features.texts(new=True), frozen["new_texts"])
    torch.testing.assert_close(features.at([7, 0]), frozen["pictures"][[2, 0]])
    expected = ["texts"] * 2 * ("text" in tuned) + ["pictures"] * ("visual" in tuned)
    assert asked.calls == expected


def test_gradients_flow_through_tuned_towers_alone(
    model: Clip, pictures: Pictures, frozen: dict[str, Tensor], backbone: Path
) -> None:
    targets = [f"{tower}/transformer.resblocks.0.attn.q_proj" for tower in ("visual", "text")]
    attachment = LoRA(rank=2).attach(model.components, targets, Plan(1, 0))
    try:
        for tuned in ({"visual"}, {"text"}):
            features = Features(model, pictures, shared_by(backbone), frozen, tuned)
            assert features.texts().requires_grad == ("text" in tuned)
            seen = features.seen(pictures.squares(PLACES))
            assert seen.requires_grad == ("visual" in tuned)
            assert not features.at(PLACES).requires_grad
    finally:
        attachment.remove(keep=False)


def test_pictures_come_in_batches_and_in_order(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparse_peft.tasks.fewshot.features.BATCH", 2)
    parts = list(batches(pictures, [5, 1, 4], lambda pixels: pixels.float().flatten(1)[:, :2]))
    assert [len(part) for part in parts] == [2, 1]
    expected = pictures.squares([5, 1, 4]).float().flatten(1)[:, :2]
    assert torch.equal(torch.cat(parts), expected)


def test_the_scale_is_the_backbones_own_up_to_100_unless_given(backbone: Path) -> None:
    own = shared_by(backbone, scale=None)
    assert (scale_of(14.3, own), scale_of(118.0, own)) == (14.3, 100.0)
    assert scale_of(14.3, shared_by(backbone, scale=20.0)) == 20.0
