"""`import-clip-lora`: a published checkpoint becomes a folder that classifies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sparse_peft.__main__ import main
from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from tests.tasks.fewshot.small import small_clip

RANK, ALPHA, SHARE = 2, 1.0, 0.05
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a small CLIP, a CLIP-LoRA file for it, names and a picture."""
    backbone = small_clip(tmp_path / "clip")
    torch.save(published(backbone), tmp_path / "lora_weights.pt")
    (tmp_path / "names.txt").write_text("apple\nboat\ncat\n", encoding="utf-8")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path


def published(backbone: Path) -> dict[str, Any]:
    """A file as CLIP-LoRA writes it: q, k, v of all layers, those of the text encoder first."""
    shapes = clip_source.shapes(clip_source.resolve(str(backbone)), "qkv")
    generator = torch.Generator().manual_seed(0)
    layers: dict[str, dict[str, Any]] = {}
    numbers: dict[str, int] = {}
    for target in sorted(shapes, key=lambda name: (not name.startswith("text/"), name)):
        block, _, name = target.rpartition(".")
        number = numbers.setdefault(block, len(numbers))
        out, into = shapes[target]
        layers.setdefault(f"layer_{number}", {})[name] = {
            "w_lora_A": SHARE * torch.randn(RANK, into, generator=generator),
            "w_lora_B": SHARE * torch.randn(out, RANK, generator=generator),
        }
    metadata = {
        "r": RANK, "alpha": ALPHA, "encoder": "both", "params": ["q", "k", "v"], "position": "all"
    }  # fmt: skip
    return {"weights": layers, "metadata": metadata}


def words(desk: Path, **changes: object) -> list[str]:
    given = {
        "backbone": desk / "clip",
        "classes": desk / "names.txt",
        "out": desk / "out",
    } | changes
    options = [f"--{name}={value}" for name, value in given.items()]
    return ["import-clip-lora", str(desk / "lora_weights.pt"), *options]


def test_the_folder_classifies_as_the_merged_weights_do(desk: Path, capsys: Capture) -> None:
    assert main(words(desk)) == 0
    assert capsys.readouterr().out == f"{desk / 'out'}\n"
    assert main(["classify", "--json", f"--run={desk / 'out'}", str(desk / "picture.png")]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    (guesses,) = answer["results"].values()
    expected = by_hand(desk)
    assert {g["class"]: g["probability"] for g in guesses} == pytest.approx(expected, abs=1e-4)


def by_hand(desk: Path) -> dict[str, float]:
    """The same answer with alpha / sqrt(r) B A added to the weights."""
    source = clip_source.resolve(str(desk / "clip"))
    model = clip.load(source, torch.device("cpu"), "qkv")
    layers = published(desk / "clip")["weights"]
    blocks = {"text": 0, "visual": 2}  # the small CLIP has two layers a tower
    with torch.no_grad():
        for target in clip_source.shapes(source, "qkv"):
            component, _, path = target.partition("/")
            number = blocks[component] + int(path.split(".")[2])
            pair = layers[f"layer_{number}"][path.split(".")[-1]]
            change = ALPHA / RANK**0.5 * pair["w_lora_B"] @ pair["w_lora_A"]
            model.components[component].get_submodule(path).weight += change
        picture = Image.open(desk / "picture.png").resize(
            (model.side,) * 2, Image.Resampling.BICUBIC
        )
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
        names = ("apple", "boat", "cat")
        texts = model.texts(model.tokens([f"a photo of a {name}." for name in names]))
        likely = (100 * model.pictures(pixels) @ texts.T).softmax(1)[0]
    return dict(zip(names, likely.tolist(), strict=True))


def test_what_cannot_be_imported_is_refused_in_words(desk: Path, capsys: Capture) -> None:
    assert main(words(desk, backbone="builtin")) == 2
    assert "layer" in capsys.readouterr().err
    (desk / "none.txt").write_text("\n")
    assert main(words(desk, classes=desk / "none.txt")) == 2
    assert "names none; write one a line" in capsys.readouterr().err
    assert main(words(desk, template="a photo")) == 2
    assert "write one line with {} once" in capsys.readouterr().err
    assert main(words(desk, out=desk / "clip")) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert not (desk / "out").exists()
