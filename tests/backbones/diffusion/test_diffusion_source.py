"""Where pipelines come from, and what is said when they do not."""

import json
import shutil
import struct
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from safetensors import safe_open

from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion.source import HUB_FILES, HUB_LEFT_OUT
from sparse_peft.errors import BackboneError
from tests.small_models import save_sd

COMMIT = "c0ffee" * 6 + "abcd"


def test_shapes_come_from_the_headers_of_all_shards() -> None:
    builtin = source.resolve("builtin")
    shapes = source.shapes(builtin, "attention+ff")
    assert sum(out + into for out, into in shapes.values()) == 34_944
    for path in (builtin.folder / "unet").glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 (not a dict)
                name = f"unet/{key.removesuffix('.weight')}"
                if name in shapes:
                    assert shapes[name] == tuple(file.get_slice(key).get_shape())


def test_attention_alone_is_a_part_of_attention_and_feed_forward() -> None:
    builtin = source.resolve("builtin")
    attention = source.shapes(builtin, "attention")
    assert attention.items() < source.shapes(builtin, "attention+ff").items()
    assert all(".attn" in name for name in attention)


def test_the_fingerprint_follows_the_weights(tmp_path: Path) -> None:
    folder = save_sd(tmp_path / "model")
    before = source.fingerprint(source.resolve(str(folder)))
    assert before == source.fingerprint(source.resolve(str(folder)))
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    assert before != source.fingerprint(source.resolve(str(folder)))


def beside(folder: Path, *names: str) -> None:
    """Files that a snapshot of the hub may hold too, and that nothing is loaded from."""
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "vae" / "diffusion_pytorch_model.safetensors", folder / name)


def test_what_lies_beside_the_weights_is_no_part_of_them(tmp_path: Path) -> None:
    pipeline = source.resolve(str(save_sd(tmp_path / "model")))
    before = source.fingerprint(pipeline), source.shapes(pipeline, "attention")
    beside(
        pipeline.folder, "v1-5-pruned.safetensors", "safety_checker/model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.non_ema.safetensors",
    )  # fmt: skip
    assert before == (source.fingerprint(pipeline), source.shapes(pipeline, "attention"))


def test_halves_alone_are_not_all_of_a_pipeline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = save_sd(tmp_path / "model")
    for path in folder.rglob("*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    cached(folder, tmp_path / "hub", "owner/halves")
    assert source.found("owner/halves") is None


def test_a_name_that_is_nothing_is_refused_in_words() -> None:
    with pytest.raises(BackboneError, match="Use builtin, a diffusers folder, or a hub id"):
        source.resolve("no such thing")


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody/there", "a/" + "../" * 2000])
def test_a_name_that_no_disk_could_hold_is_refused_in_words(name: str) -> None:
    for ask in (source.resolve, source.found):
        with pytest.raises(BackboneError, match="no such folder, and not a hub id"):
            ask(name)


def test_a_folder_that_is_no_pipeline_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no model_index\.json"):
        source.resolve(str(tmp_path))
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(BackboneError, match="is a FluxPipeline; these can be tuned"):
        source.resolve(str(tmp_path))


def test_a_damaged_weight_file_is_refused_in_words(tmp_path: Path) -> None:
    folder = save_sd(tmp_path / "model")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    texts = (b"nope", b"[]", b'{"a": 1}', b'{"a": {}}', b'{"a": {"shape": ["x"]}}')
    headers = [struct.pack("<Q", len(text)) + text for text in texts]
    for damage in (b"", b"\xff" * 8 + b"{}", *headers):
        path.write_bytes(damage)
        with pytest.raises(BackboneError, match=r"Fetch it again\."):
            source.shapes(source.resolve(str(folder)), "attention")


def test_without_a_network_a_hub_id_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BackboneError, match="could not be fetched from the hub"):
        source.resolve("nobody/nothing")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_index_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(BackboneError, match=r"model_index\.json.* Fetch it again\."):
        source.resolve(str(tmp_path))


def test_a_file_and_a_folder_that_is_not_there_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(BackboneError, match=r"is a file\. Use builtin, a diffusers folder"):
        source.resolve(str(tmp_path / "model.safetensors"))
    for name in ("./model", "../model", "a--b/..", "-a/b"):
        with pytest.raises(BackboneError, match=r"--backbone .*(no such folder|not be fetched)"):
            source.resolve(name)


def cached(folder: Path, hub: Path, name: str, *left_out: str) -> None:
    """A folder as the hub's cache keeps it, some files not there yet."""
    place = hub / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / COMMIT
    shutil.copytree(folder, snapshot, ignore=shutil.ignore_patterns(*left_out))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)


def test_what_is_on_this_machine_is_found_without_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = save_sd(tmp_path / "model")
    hub = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("socket.socket.connect", _no_network)
    builtin, local = source.found("builtin"), source.found(str(folder))
    assert builtin == source.resolve("builtin")
    assert local == source.resolve(str(folder))
    assert source.found("owner/model") is None
    cached(folder, hub, "owner/model")
    here = source.found("owner/model")
    assert here is not None
    assert (here.id, here.family, here.title) == ("owner/model", "sd", "model")
    assert source.shapes(here, "attention") == source.shapes(local, "attention")
    assert source.found(f"owner/model@{COMMIT}") is not None
    assert source.found("owner/model@other") is None


@pytest.mark.parametrize("missing", ["model_index.json", "diffusion_pytorch_model*", "config.json"])
def test_half_a_download_is_not_there_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cached(save_sd(tmp_path / "model"), tmp_path / "hub", "owner/model", missing)
    assert source.found("owner/model") is None


def test_a_missing_shard_is_not_there_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    builtin = source.resolve("builtin").folder
    cached(builtin, tmp_path / "hub", "owner/whole")
    assert source.found("owner/whole") is not None
    cached(builtin, tmp_path / "hub", "owner/half", "*-00002-of-00003.safetensors")
    assert source.found("owner/half") is None


def test_finding_refuses_what_resolving_refuses(tmp_path: Path) -> None:
    for name in ("no such thing", str(tmp_path)):
        with pytest.raises(BackboneError, match=r"Use builtin|no model_index\.json"):
            source.found(name)


def test_a_download_leaves_out_what_is_not_loaded() -> None:
    files = [
        "model_index.json", "v1-5-pruned.safetensors", "unet/config.json", "sd_xl.safetensors",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors", "safety_checker/model.safetensors",
        "vae_1_0/diffusion_pytorch_model.safetensors", "text_encoder_2/model.safetensors",
        "tokenizer/merges.txt",
    ]  # fmt: skip
    kept = filter_repo_objects(
        files, allow_patterns=list(HUB_FILES), ignore_patterns=list(HUB_LEFT_OUT)
    )
    assert list(kept) == [
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "text_encoder_2/model.safetensors", "tokenizer/merges.txt",
    ]  # fmt: skip


def _no_network(*_: object) -> None:
    raise AssertionError("the network was asked")
