"""CLIPs by their names, here and in the hub's cache, and what is said where there is none."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.factory import _find_checkpoint_in_dir
from safetensors.torch import save_file

from sparse_peft.backbones import source
from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import registry as clip_registry
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.names import OPENAI, WEIGHT_NAMES
from sparse_peft.errors import BackboneError
from tests import small_clips
from tests.small_clips import VIT, batch, config, rows, save_clip

CPU = torch.device("cpu")
COMMIT = "c0ffee" * 6 + "abcd"
OPENAI_B16 = "timm/vit_base_patch16_clip_224.openai"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of a hub that cannot be reached."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("socket.socket.connect", _no_network)
    return folder


def cached(folder: Path, hub: Path, repository: str) -> Path:
    """A folder as the hub's cache keeps it."""
    place = hub / f"models--{repository.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / COMMIT)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    return place / "snapshots" / COMMIT


def test_the_builtin_is_a_clip_with_the_nouns_it_knows() -> None:
    builtin = clip_source.resolve("builtin")
    assert (builtin.kind, builtin.family, builtin.title) == ("clip", "builtin", "Built-in")
    assert {"cat", "dog", "cup"} <= set(builtin.known_nouns)
    assert clip_source.found("builtin") == builtin
    assert builtin.side == 60
    assert clip_source.resolve("ViT-B-32/random").side == 224
    assert len(clip_source.shapes(builtin, "qkv")) == 3 * (6 + 3)  # layers of its two towers


def test_the_task_says_which_kind_a_name_means() -> None:
    for verb in (source.resolve, source.found):
        assert verb("builtin").kind == "diffusion"
        assert verb("builtin", task="dreambooth").kind == "diffusion"
        assert verb("builtin", task="fewshot").kind == "clip"
    builtin = source.resolve("builtin", "fewshot")
    assert source.shapes(builtin, "packed") == clip_source.shapes(builtin, "packed")
    assert source.fingerprint(builtin) == clip_source.fingerprint(builtin)


def test_a_folder_is_a_clip_of_its_own_config(tmp_path: Path) -> None:
    save_clip(tmp_path / "mine", config(VIT))
    found = clip_source.found(str(tmp_path / "mine"))
    assert found == clip_source.resolve(str(tmp_path / "mine"))
    assert (found.id, found.family, found.title) == (str(tmp_path / "mine"), "clip", "mine")
    assert clip_source.shapes(found, "qkv:visual").keys() == {
        f"visual/transformer.resblocks.{n}.attn.{part}_proj" for n in (0, 1) for part in "qkv"
    }


def test_published_weights_are_taken_from_the_hub(hub: Path, small_b16: dict[str, Any]) -> None:
    own = save_clip(hub / "made", small_b16 | {"quick_gelu": True})
    assert clip_source.found("ViT-B-16/openai") is None
    with pytest.raises(BackboneError, match="could not be fetched from the hub"):
        clip_source.resolve("ViT-B-16/openai")
    place = cached(hub / "made", hub, OPENAI_B16)
    for name in ("ViT-B-16/openai", "ViT-B/16/openai", "ViT-B/16", "ViT-B-16/OpenAI"):
        found = clip_source.found(name)
        assert found == clip_source.resolve(name) or name in OPENAI
        assert (found.id, found.family) == ("ViT-B-16/openai", "clip")
        assert found.weights == place / WEIGHT_NAMES[0]
    model = clip.load(clip_source.resolve("ViT-B/16"), CPU)
    official = open_clip.create_model("ViT-B-16", "openai", force_quick_gelu=True)
    assert model.components["visual"].preprocess_cfg == official.visual.preprocess_cfg
    with torch.no_grad():
        expected = own.encode_text(rows(), normalize=True)
        plain = save_clip(hub / "plain", small_b16).encode_text(rows(), normalize=True)
    torch.testing.assert_close(model.texts(rows()), expected, rtol=0, atol=1e-5)
    assert not torch.allclose(expected, plain, atol=1e-4)  # the activation matters


def test_openais_weights_have_openais_activation_and_others_not() -> None:
    for name in OPENAI.values():
        assert clip_registry.published(name, "openai")["quick_gelu"]
    made = clip_source.resolve("ViT-B-16/random")
    assert not made.quick_gelu
    assert clip_source.resolve("ViT-B-16-quickgelu/random").quick_gelu


def test_openais_names_are_architectures_of_open_clip() -> None:
    published = set(open_clip.list_pretrained_models_by_tag("openai"))
    assert set(OPENAI.values()) == {name for name in published if "quickgelu" not in name}


def test_the_registry_is_open_clips_own() -> None:
    assert set(clip_registry.architectures()) == set(open_clip.list_models())
    for name in open_clip.list_models():
        assert clip_registry.architecture(name) == open_clip.get_model_config(name)
        assert clip_registry.tags(name) == open_clip.list_pretrained_tags_by_model(name)
    for name, tag in open_clip.list_pretrained():
        entry = clip_registry.published(name, tag)
        assert entry == open_clip.get_pretrained_cfg(name, tag)
        assert entry["hf_hub"], "weights outside of the hub would not be found"
    assert clip_registry.version() == open_clip.__version__


@pytest.mark.parametrize(
    ("entry", "files"),
    [
        ("a/b/", ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")),
        ("a/b/pytorch_model.bin", ("pytorch_model.safetensors", "pytorch_model.bin")),
    ],
)
def test_what_is_found_is_what_would_be_loaded(
    entry: str, files: tuple[str, ...], hub: Path
) -> None:
    assert clip_registry.hub_files({"hf_hub": entry}) == ("a/b", files)
    (hub / "made").mkdir(parents=True)
    for name in reversed(files):  # the better one comes second
        (hub / "made" / name).write_bytes(b"")
        shutil.rmtree(hub / "models--a--b", ignore_errors=True)
        place = cached(hub / "made", hub, "a/b")
        taken = clip_registry.download("a/b", entry.removeprefix("a/b/") or None)
        assert taken == place / name


def test_a_model_of_the_hub_is_a_folder_in_its_cache(hub: Path) -> None:
    own = save_clip(hub / "made", config(VIT))
    assert clip_source.found("hf-hub:owner/model") is None
    with pytest.raises(BackboneError, match="could not be fetched"):
        clip_source.resolve("hf-hub:owner/model")
    cached(hub / "made", hub, "owner/model")
    found = clip_source.found("hf-hub:owner/model")
    assert found == clip_source.resolve("hf-hub:owner/model")
    assert (found.id, found.title) == ("hf-hub:owner/model", "model")
    model = clip.load(found, CPU)
    pictures = (batch(32) + 1) / 2
    mean, std = (torch.tensor(small_clips.NORMAL[n]).view(3, 1, 1) for n in ("mean", "std"))
    with torch.no_grad():
        expected = own.encode_image((pictures - mean) / std, normalize=True)
    torch.testing.assert_close(model.pictures(batch(32)), expected, rtol=0, atol=1e-5)
    assert model.tokens(["a cat"]).shape == (1, 4)  # its tokenizer: <start> a cat <end>


def test_a_tokenizer_of_the_hub_runs_no_code_of_its_own(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_clip(hub / "made", config(VIT, hf_tokenizer_name="owner/words"))
    place = cached(hub / "made", hub, "owner/model")
    model = clip.load(clip_source.resolve("hf-hub:owner/model"), CPU)
    asked: list[Any] = []
    monkeypatch.setattr(
        "transformers.AutoTokenizer.from_pretrained",
        lambda *names, **settings: asked.append((names, settings["trust_remote_code"])),
    )
    index = place / "open_clip_config.json"
    hostile = config(
        VIT, hf_tokenizer_name="owner/words", tokenizer_kwargs={"trust_remote_code": True}
    )
    index.write_text(json.dumps({"model_cfg": hostile, "preprocess_cfg": small_clips.NORMAL}))
    assert model._tokenizer is not None  # the configuration has changed since it was looked at
    assert asked == [(("owner/words",), False)]
    with pytest.raises(BackboneError, match="wants code of others to be run for its tokenizer"):
        clip_source.resolve("hf-hub:owner/model")


def test_a_program_of_the_hub_is_not_run(hub: Path) -> None:
    save_clip(hub / "made", config(VIT))
    (hub / "made" / "open_clip_model.safetensors").unlink()
    with zipfile.ZipFile(hub / "made" / "open_clip_pytorch_model.bin", "w") as archive:
        archive.writestr("model/constants.pkl", b"")
    cached(hub / "made", hub, "owner/model")
    with pytest.raises(BackboneError, match=r"are a program \(TorchScript\), which is not run"):
        clip_source.resolve("hf-hub:owner/model")


def test_half_a_download_is_not_there_yet(hub: Path) -> None:
    save_clip(hub / "made", config(VIT))
    (hub / "made" / "open_clip_model.safetensors").unlink()
    cached(hub / "made", hub, "owner/model")
    assert clip_source.found("hf-hub:owner/model") is None


def test_the_fingerprint_follows_weights_and_activation(tmp_path: Path) -> None:
    own = save_clip(tmp_path / "one", config(VIT))
    save_clip(tmp_path / "two", config(VIT) | {"quick_gelu": True})
    one, two = (clip_source.resolve(str(tmp_path / name)) for name in ("one", "two"))
    assert clip_source.fingerprint(one) == clip_source.fingerprint(one)
    assert clip_source.fingerprint(one) != clip_source.fingerprint(two)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    copy = clip_source.resolve(str(tmp_path / "copy"))
    assert clip_source.fingerprint(copy) == clip_source.fingerprint(one)
    weights = small_clips.state(own)
    weights["visual.proj"] = weights["visual.proj"] + 1
    save_file(weights, tmp_path / "copy" / "open_clip_model.safetensors")
    os.utime(tmp_path / "copy" / "open_clip_model.safetensors", (1, 1))
    assert clip_source.fingerprint(copy) != clip_source.fingerprint(one)


def test_random_weights_have_the_fingerprint_of_their_name() -> None:
    names = ("ViT-B-16/random", "ViT-B-32/random")
    first, second = (clip_source.fingerprint(clip_source.resolve(name)) for name in names)
    assert first != second
    assert len(first) == 64


def test_the_weights_of_a_folder_are_those_that_open_clip_takes(tmp_path: Path) -> None:
    save_clip(tmp_path, config(VIT))
    for name in ("z.pth", "a.bin", "b.safetensors", *reversed(WEIGHT_NAMES)):
        (tmp_path / name).touch()
        weights = clip_source.resolve(str(tmp_path)).weights
        assert str(weights) == _find_checkpoint_in_dir(tmp_path)
    (tmp_path / "open_clip_model.safetensors").unlink()
    for name in ("subject_head.safetensors", "model.safetensors"):
        (tmp_path / name).touch()
    assert str(clip_source.resolve(str(tmp_path)).weights) == _find_checkpoint_in_dir(tmp_path)


@pytest.mark.parametrize("verb", [clip_source.resolve, clip_source.found])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no such thing", r"no architecture 'no such thing'\. .*Use builtin, a folder"),
        ("ViT-B-17/openai", r"no architecture 'ViT-B-17'\. Did you mean ViT-B-1"),
        ("owner/model", r"no architecture 'owner'.*or hf-hub:owner/name"),
        ("ViT-B-16", r"say which weights, such as ViT-B-16/openai\. Known: openai, laion400m"),
        ("ViT-B-16/openal", r"no weights 'openal' of ViT-B-16\. Did you mean 'openai'\? Known: "),
        ("ViT-M-16", r"say which weights, such as ViT-M-16/random"),
        ("ViT-B-16@no/file.pt", r"there is no file no/file\.pt"),
        ("ViT-B-17@no/file.pt", "no architecture 'ViT-B-17'"),
        ("hf-hub:owner", "is not an id of the hub"),
        ("hf-hub:owner/name@main", "is not an id of the hub"),
        ("../x/openai", "no architecture"),
        ("a" * 300, "no architecture"),  # longer than a file can be called
        ("~nobody-of-that-name", "no architecture"),
        (f"ViT-B-16@{'a' * 300}", "there is no file"),
    ],
)
def test_a_name_that_is_nothing_is_refused_in_words(verb: Any, name: str, words: str) -> None:
    with pytest.raises(BackboneError, match=words):
        verb(name)


def test_a_folder_or_file_that_is_no_clip_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"has no open_clip_config\.json.*Use builtin"):
        clip_source.resolve(str(tmp_path))
    index = tmp_path / "open_clip_config.json"
    for text in ("{", "[]"):
        index.write_text(text)
        with pytest.raises(BackboneError, match=r"open_clip_config\.json.* Fetch it again\."):
            clip_source.resolve(str(tmp_path))
    for value in ({}, {"model_cfg": []}, {"model_cfg": {"embed_dim": 1}}):
        index.write_text(json.dumps(value))
        with pytest.raises(BackboneError, match="does not say what its model is made of"):
            clip_source.resolve(str(tmp_path))
    index.write_text(json.dumps({"model_cfg": config(VIT)}))
    with pytest.raises(BackboneError, match="holds no weights"):
        clip_source.resolve(str(tmp_path))
    file = tmp_path / "clip.pt"
    file.touch()
    with pytest.raises(BackboneError, match=r"is a file\. Say of which architecture: ViT-B-16@"):
        clip_source.resolve(str(file))


@pytest.mark.slow
def test_asking_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from sparse_peft.backbones import source\n"
        "for name in ('builtin', 'ViT-B-16/random', 'RN50/random'):\n"
        "    found = source.found(name, 'fewshot')\n"
        "    source.shapes(found, 'attention'), source.fingerprint(found)\n"
        "heavy = {'torch', 'open_clip', 'timm', 'transformers', 'peft'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "source.found('ViT-B-16/openai', 'fewshot')\n"
        "heavy = {'open_clip', 'timm', 'transformers', 'diffusers', 'peft'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def _no_network(*_: object) -> None:
    raise AssertionError("the network was asked")
