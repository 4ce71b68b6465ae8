"""Classifier folders, written by us and by hostile strangers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.model import Clip
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from sparse_peft.tasks.fewshot.classifier import (
    MOST_CLASSES,
    Card,
    open_classifier,
    read_classifier,
    write_classifier,
)
from tests.small_clips import batch

SHA = "0" * 64


def card(**changes: Any) -> Card:
    settings = {
        "format": 1, "kind": "zeroshot", "method": "lora", "label": "LoRA", "run": "lora-s1",
        "backbone": "builtin", "backbone_sha256": SHA, "targets": "qkv", "template": "a {}",
        "classes": ("cat", "dog"), "scale": 20.0,
    }  # fmt: skip
    return Card(**settings | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(backbone: Path) -> Clip:
    return clip.load(clip_source.resolve(str(backbone)), torch.device("cpu"))


def zero_shot(model: Clip) -> Tensor:
    with torch.no_grad():
        texts = model.texts(model.tokens(["a cat", "a dog"]))
        return (20 * model.pictures(batch(32)) @ texts.T).softmax(1)


def test_a_card_survives_its_file(tmp_path: Path) -> None:
    write_classifier(tmp_path / "deep", card())
    assert read_classifier(tmp_path / "deep") == card()
    keys = {
        "format", "method", "label", "run", "backbone", "backbone_sha256", "classes", "template",
        "scale", "targets", "kind", "view",
    }  # fmt: skip
    assert json.loads((tmp_path / "deep" / "classifier.json").read_text()).keys() == keys


def test_zero_shot_asks_the_backbone_alone(model: Clip, tmp_path: Path) -> None:
    write_classifier(tmp_path, card())
    opened = open_classifier(tmp_path, model, SHA)
    torch.testing.assert_close(opened.probabilities(batch(32)), zero_shot(model))
    opened.remove()


def test_a_head_reads_features(model: Clip, tmp_path: Path) -> None:
    head = {"weight": torch.randn(2, 32), "bias": torch.randn(2)}
    save_file(head, tmp_path / "head.safetensors")
    write_classifier(tmp_path, card(kind="head"))
    opened = open_classifier(tmp_path, model, SHA)
    with torch.no_grad():
        expected = (model.pictures(batch(32)) @ head["weight"].T + head["bias"]).softmax(1)
    torch.testing.assert_close(opened.probabilities(batch(32)), expected)


def test_an_adapter_works_until_it_is_removed(model: Clip, tmp_path: Path) -> None:
    before = zero_shot(model)
    targets = ["visual/transformer.resblocks.1.attn.v_proj"]
    method = LoRA(rank=2, dropout=0.25)
    attachment = method.attach(model.components, targets, Plan(1, 0))
    state = {name: torch.randn_like(value) for name, value in attachment.state().items()}
    attachment.load(state)
    for module in (m for part in model.components.values() for m in part.modules()):
        module.training = False
    tuned = zero_shot(model)
    attachment.save(tmp_path)
    attachment.remove(keep=False)
    write_card(tmp_path, method, "builtin", SHA, targets, Plan(1, 0))
    write_classifier(tmp_path, card(kind="adapter"))
    opened = open_classifier(tmp_path, model, SHA)
    torch.testing.assert_close(opened.probabilities(batch(32)), tuned)
    assert not torch.allclose(tuned, before)
    opened.remove()
    assert torch.equal(zero_shot(model), before)


def test_another_backbone_is_refused(model: Clip, tmp_path: Path) -> None:
    write_classifier(tmp_path, card())
    with pytest.raises(BackboneError, match=r"made for another backbone: builtin with sha256 0000"):
        open_classifier(tmp_path, model, "1" * 64)


WRONG: dict[str, tuple[Any, str]] = {
    "format": (2, "format is 2; this version reads 1"),
    "kind": ("script", "kind is 'script'; expected"),
    "classes": ([], "there are 0 classes; expected 1 to"),
    "template": ("a photo", "write one line with"),
    "scale": (-1.0, "expected a number above 0"),
    "backbone": (5, "backbone is 5; expected str"),
    "extra": (1, "unknown setting 'extra'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_card_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    value, words = WRONG[name]
    write_classifier(tmp_path, card())
    path = tmp_path / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(BackboneError, match=words):
        read_classifier(tmp_path)


@pytest.mark.parametrize(
    "classes", [["cat", "dog\n"], ["", "dog"], ["x" * 1000], ["a"] * (MOST_CLASSES + 1), [1, 2]]
)
def test_classes_must_be_names(classes: list[Any], tmp_path: Path) -> None:
    write_classifier(tmp_path, card())
    path = tmp_path / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": classes}))
    with pytest.raises(BackboneError, match="class"):
        read_classifier(tmp_path)


def test_what_cannot_be_a_card_cannot_be_written() -> None:
    with pytest.raises(SpecError, match="is no name of a class"):
        card(classes=("a\tb",))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("{" * 100),
        lambda path: path.write_text('{"scale": Infinity}'),
        lambda path: path.write_bytes(b" " * (2**20 + 1)),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    ],
    ids=["missing", "no json", "infinite", "huge", "link"],
)
def test_a_spoiled_card_is_refused(spoil: Callable[[Path], Any], tmp_path: Path) -> None:
    write_classifier(tmp_path, card())
    spoil(tmp_path / "classifier.json")
    with pytest.raises(BackboneError, match=r"classifier\.json"):
        read_classifier(tmp_path)


@pytest.mark.parametrize(
    "head",
    [
        {"weight": torch.zeros(3, 32), "bias": torch.zeros(3)},
        {"weight": torch.zeros(2, 31), "bias": torch.zeros(2)},
        {"weight": torch.zeros(2, 32)},
        {"weight": torch.zeros(2, 32, dtype=torch.float16), "bias": torch.zeros(2)},
        {"weight": torch.full((2, 32), float("nan")), "bias": torch.zeros(2)},
    ],
    ids=["classes", "width", "missing", "type", "nan"],
)
def test_a_head_that_does_not_fit_is_refused(
    head: dict[str, Tensor], model: Clip, tmp_path: Path
) -> None:
    save_file(head, tmp_path / "head.safetensors")
    write_classifier(tmp_path, card(kind="head"))
    with pytest.raises(BackboneError, match=r"head\.safetensors"):
        open_classifier(tmp_path, model, SHA)


def test_an_adapter_that_is_not_there_is_refused(model: Clip, tmp_path: Path) -> None:
    write_classifier(tmp_path, card(kind="adapter"))
    with pytest.raises(BackboneError, match="missing or not a plain file"):
        open_classifier(tmp_path, model, SHA)
