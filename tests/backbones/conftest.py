"""A published architecture made small, so that its name can be used in fast tests."""

from typing import Any

import pytest

from sparse_peft.backbones.clip import registry as clip_registry
from tests.small_clips import VIT, config


@pytest.fixture
def small_b16(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """ViT-B-16 under its own name, for open_clip and for us."""
    small = config(VIT)
    monkeypatch.setitem(_known(), "ViT-B-16", small)
    real = clip_registry.architecture
    monkeypatch.setattr(
        clip_registry, "architecture", lambda name: small if name == "ViT-B-16" else real(name)
    )
    return small


def _known() -> dict[str, Any]:
    from open_clip import factory

    return factory._MODEL_CONFIGS
