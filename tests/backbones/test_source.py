"""A backbone by its name, whatever its kind: what is known of it and what it sees."""

from pathlib import Path

import pytest

from sparse_peft.backbones import source
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.backbones.vision.shapes import Outline
from sparse_peft.errors import BackboneError
from tests.small_models import save_sd


def test_the_builtin_backbone_names_what_it_knows() -> None:
    builtin = source.resolve("builtin")
    assert builtin.family == "builtin"
    assert {"cat", "dog", "cup"} <= set(builtin.known_nouns)
    assert "in the snow" in builtin.known_places
    assert "photographs" in (source.resolve("builtin", "fewshot").note or "")


@pytest.mark.parametrize("text", ["[]", "no JSON", '{"objects": ["cat"], "note": "mine"}'])
def test_a_card_beside_another_backbone_is_a_strangers(tmp_path: Path, text: str) -> None:
    pipeline = source.resolve(str(save_sd(tmp_path / "model")))
    (tmp_path / "card.json").write_text(text)
    assert (pipeline.known_nouns, pipeline.known_places, pipeline.note) == ((), (), None)


def test_what_a_backbone_sees_is_known_before_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {"vit_base_patch16_384": 384, "swin_tiny_patch4_window7_224.ms_in1k": 224}
    monkeypatch.setattr(vision_shapes, "outline", lambda name: Outline({}, sides[name], "", 0))
    assert source.side("builtin") == source.resolve("builtin", "fewshot").side  # type: ignore[attr-defined]
    for name in ("ViT-L-14-336/openai", "ViT-L/14@336px", "ViT-L-14-336/random"):
        assert source.side(name) == 336
    assert source.side("hf-hub:owner/model") is None
    assert source.side("timm:vit_base_patch16_384") == 384
    assert source.side("timm:swin_tiny_patch4_window7_224.ms_in1k@mine.pth") == 224
    with pytest.raises(BackboneError, match="no ViT, Swin or ConvNeXt of timm is called"):
        source.side("timm:no_such")
