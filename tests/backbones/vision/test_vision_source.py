"""Vision backbones by name: what is understood, what is refused, and what can be tuned."""

import os
from pathlib import Path

import pytest
import timm

from sparse_peft.backbones import source as sources
from sparse_peft.backbones.vision import names as vision_names
from sparse_peft.backbones.vision import outline
from sparse_peft.backbones.vision import registry as vision_registry
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.backbones.vision import source as vision_source
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.backbones.vision.shapes import Outline
from sparse_peft.errors import BackboneError, SpecError


def test_the_names_and_tags_that_are_read_from_its_files_are_those_of_timm() -> None:
    known = vision_registry.known()
    modules = ("vision_transformer", "swin_transformer", "convnext")
    expected = {name for module in modules for name in timm.list_models(module=module)}
    assert set(known) == expected
    tagged = [name.partition(".") for module in modules
              for name in timm.list_models(module=module, pretrained=True)]  # fmt: skip
    assert len(tagged) > 200
    assert all(tag in known[name] for name, _, tag in tagged if known[name])
    assert known["vit_base_patch16_224"][0] == "augreg2_in21k_ft_in1k"  # which timm takes


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process would tell of a small ViT and a small ConvNeXt."""
    attention = {"blocks.0.attn.qkv.q_proj": (8, 8), "blocks.0.attn.qkv.k_proj": (8, 8),
                 "blocks.0.attn.qkv.v_proj": (8, 8), "blocks.0.attn.proj": (8, 8)}  # fmt: skip
    mlp = {"blocks.0.mlp.fc1": (32, 8), "blocks.0.mlp.fc2": (8, 32)}
    swin = {f"layers.1.{path}": shape for path, shape in (attention | mlp).items()}
    told = {
        "test_vit": attention | mlp | {"attn_pool.mlp.fc1": (4, 4)},
        "test_convnext": {f"stages.2.{path}": shape for path, shape in mlp.items()},
        "swin_tiny_patch4_window7_224": swin | {"layers.1.downsample.reduction": (16, 32)},
    }
    monkeypatch.setattr(vision_shapes, "outline", lambda name: Outline(told[name], 160, "", 0))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("name", "targets", "count"),
    [
        ("test_vit", "qkv", 3), ("test_vit", "attention", 4), ("test_vit", "attention+mlp", 6),
        ("test_vit", "mlp", 2), ("test_vit", "attention:visual", 4),
        ("swin_tiny_patch4_window7_224", "attention+mlp", 6),
        ("test_convnext", "attention+mlp", 2), ("test_convnext", "mlp", 2),
    ],
)  # fmt: skip
def test_targets_are_the_layers_of_the_blocks_alone(name: str, targets: str, count: int) -> None:
    source = sources.resolve(f"timm:{name}/random", "fewshot")
    found = sources.shapes(source, targets)
    assert len(found) == count
    assert all(path.startswith("visual/") for path in found)
    assert not any("reduction" in path or "pool" in path for path in found)


@pytest.mark.usefixtures("blocks")
def test_targets_that_are_not_there_are_refused_in_words() -> None:
    source = sources.resolve("timm:test_convnext/random", "fewshot")
    with pytest.raises(BackboneError, match="Choose 'mlp' or 'attention\\+mlp'"):
        sources.shapes(source, "attention")
    for wrong in ("packed", "attention:text", "mlp:"):
        with pytest.raises(SpecError, match="of a vision backbone expected one of qkv"):
            sources.shapes(source, wrong)


@pytest.mark.slow
def test_an_outline_is_that_of_timms_own_model() -> None:
    told = vision_shapes.outline("test_vit")
    model = timm.create_model("test_vit", num_classes=0)
    assert told.side == model.pretrained_cfg["input_size"][1]
    width = model.num_features
    assert told.linears["blocks.0.attn.qkv.k_proj"] == (width, width)
    assert told.hub == "timm/test_vit.r160_in1k"
    assert told.values == sum(tensor.numel() for tensor in model.state_dict().values())
    with pytest.raises(RuntimeError, match="no_such"):  # whose last line `asked` repeats
        outline.main(["no_such"])


def test_a_file_is_named_after_the_architecture(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    source = sources.resolve(f"timm:vit_base_patch16_224.mae@{tmp_path / 'w.pth'}", "fewshot")
    assert isinstance(source, VisionSource)
    assert source.id == f"timm:vit_base_patch16_224.mae@{tmp_path / 'w.pth'}"
    assert (source.kind, source.family) == ("vision", "vision")
    assert source.title == "vit_base_patch16_224.mae (w.pth)"
    assert sources.found(source.id, "fewshot") == source
    first = sources.fingerprint(source)
    (tmp_path / "w.pth").write_bytes(b"other")
    os.utime(tmp_path / "w.pth", ns=(1, 1))
    assert sources.fingerprint(source) != first


def test_random_weights_have_a_fingerprint_of_their_name() -> None:
    one, other = (vision_source.resolve(f"timm:{n}/random") for n in ("test_vit", "test_vit2"))
    assert vision_source.fingerprint(one) == vision_source.fingerprint(one)
    assert vision_source.fingerprint(one) != vision_source.fingerprint(other)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:vit_bas_patch16_224", "Did you mean vit_base_patch16_224?"),
        ("timm:resnet50", "no ViT, Swin or ConvNeXt of timm is called 'resnet50'"),
        ("timm:vit_base_patch16_224.ma", "timm knows no weights 'ma' of vit_base_patch16_224"),
        ("timm:vit_base_patch16_224/openai", "'openai' is not known"),
        ("timm:vit_base_patch16_224@nowhere.npz", "there is no file 'nowhere.npz'"),
        ("timm:", "is called ''"),
        ("timm:" + "x" * 5000, "xxx'..."),
        ("timm:vit_base_patch16_224@" + "y" * 5000, "there is no file"),
        ("timm:vit_base_patch16_224." + "z" * 5000, "timm knows no weights"),
    ],
)
def test_what_is_no_vision_backbone_is_refused_in_words(name: str, words: str) -> None:
    for ask in (sources.resolve, sources.found):
        with pytest.raises(BackboneError) as caught:
            ask(name, "fewshot")
        assert words in str(caught.value)
        assert len(str(caught.value)) < 700


def test_published_weights_are_the_safetensors_file_of_the_hub_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[tuple[str, str]] = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    told = Outline({}, 224, "timm/vit_base_patch16_224.mae", 0)
    monkeypatch.setattr(vision_shapes, "outline", lambda _: told)
    name = "timm:vit_base_patch16_224.mae"
    assert sources.found(name, "fewshot") is None
    with pytest.raises(BackboneError, match="could not be fetched from the hub"):
        sources.resolve(name, "fewshot")
    assert asked == [("timm/vit_base_patch16_224.mae", "model.safetensors")]
    here = tmp_path / "model.safetensors"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(here))
    found = sources.found(name, "fewshot")
    assert isinstance(found, VisionSource)
    assert (found.id, found.weights) == (name, here)
    monkeypatch.setattr(vision_shapes, "outline", lambda _: Outline({}, 224, "", 0))
    with pytest.raises(BackboneError, match=r"timm has no weights of vit_base_patch16_224\.mae"):
        sources.resolve(name, "fewshot")


def test_a_hub_name_of_open_clip_stays_one() -> None:
    assert not vision_names.is_vision("hf-hub:timm/ViT-B-16-SigLIP")
    assert not vision_names.is_vision("ViT-B-16/openai")
