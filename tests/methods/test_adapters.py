import json
import struct
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sparse_peft.errors import BackboneError
from sparse_peft.methods.adapters import open_adapter, read_adapter, write_card
from sparse_peft.methods.full import Full
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Method, Plan
from sparse_peft.methods.oft import OFT
from sparse_peft.methods.so import SO
from sparse_peft.methods.waveft import WaveFT
from sparse_peft.tuners.attachments import peft as peft_attachment

SHA = "ab" * 32
PLAN = Plan(steps=4, seed=0)
TARGETS = ("net/0", "net/2")
METHODS = [LoRA(rank=2), WaveFT(coefficients=30), SO(density=0.2, T=2)]


def components(dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"net": nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 4)).to(dtype)}


def output(parts: dict[str, nn.Module]) -> Tensor:
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    return parts["net"](x.to(parts["net"][0].weight.dtype))


def saved(folder: Path, method: Method, dtype: torch.dtype = torch.float32) -> Tensor:
    """Train a little, save with its card, and return what the trained network says."""
    parts = components(dtype)
    attachment = method.attach(parts, TARGETS, PLAN)
    optimizer = attachment.optimizer(1e-2)
    for number in range(PLAN.steps):
        attachment.before_forward(number)
        output(parts).float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    attachment.save(folder)
    write_card(folder, method, "toy", SHA, TARGETS, PLAN)
    return output(parts).detach()


@pytest.fixture(params=METHODS, ids=lambda method: method.name)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


def weights_file(folder: Path) -> Path:
    [path] = (folder / "net").glob("*.safetensors")
    return path


def refused(folder: Path, words: str, sha: str = SHA) -> None:
    """Opening fails in these words, and the backbone has not changed."""
    parts = components()
    before = output(parts)
    with pytest.raises(BackboneError, match=words):
        open_adapter(folder, parts, sha)
    assert torch.equal(output(parts), before)
    assert all(type(module) in (nn.Linear, nn.Tanh) for module in parts["net"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_opens_to_what_was_trained_and_leaves_no_trace(method, dtype, tmp_path):
    expected = saved(tmp_path, method, dtype)
    parts = components(dtype)
    base = output(parts)
    opened = open_adapter(tmp_path, parts, SHA)
    assert opened.card.method == method.name
    assert not torch.equal(output(parts), base)
    torch.testing.assert_close(output(parts), expected)
    opened.remove()
    assert torch.equal(output(parts), base)


@pytest.mark.parametrize("method", [LoRA(rank=2), WaveFT(coefficients=50)])
def test_plain_peft_reads_it_too(method, tmp_path):
    # 50 coefficients are more than the 40 entries of the second weight: PEFT has to be told.
    expected = saved(tmp_path, method)
    parts = components()
    parts["net"] = peft.PeftModel.from_pretrained(parts["net"], tmp_path / "net")
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(parts["net"](x), expected)


def test_the_card_tells_what_it_is_for(method, tmp_path):
    saved(tmp_path, method)
    card = read_adapter(tmp_path, SHA).card
    assert (card.backbone, card.backbone_sha256, card.plan) == ("toy", SHA, PLAN)
    assert card.targets == TARGETS


def test_another_backbone_is_refused_by_both_names(method, tmp_path):
    saved(tmp_path, method)
    refused(tmp_path, "made for another backbone: toy with sha256 abab.*not cdcd", sha="cd" * 32)


def test_values_that_are_not_finite_are_refused(method, tmp_path):
    saved(tmp_path, method)
    path = weights_file(tmp_path)
    tensors = load_file(path)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, path)
    refused(tmp_path, "not finite")


def test_a_truncated_file_is_refused(method, tmp_path):
    saved(tmp_path, method)
    path = weights_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    refused(tmp_path, "damaged")


def test_a_giant_header_is_refused_unread(method, tmp_path):
    saved(tmp_path, method)
    weights_file(tmp_path).write_bytes(struct.pack("<Q", 2**40) + b"{}")
    refused(tmp_path, "header of 1099511627776 bytes")


def test_tensors_of_a_wrong_name_shape_or_type_are_refused(method, tmp_path):
    saved(tmp_path, method)
    path = weights_file(tmp_path)
    good = load_file(path)
    name = next(name for name, tensor in good.items() if tensor.is_floating_point())
    extra = {**good, "extra": torch.ones(1)}
    shorter = {**good, name: good[name].flatten()[:-1].clone()}
    reshaped = {**good, name: good[name].unsqueeze(0)}
    renamed = {("x" + key if key == name else key): value for key, value in good.items()}
    for bad in (extra, shorter, reshaped, renamed):
        save_file(bad, path)
        refused(tmp_path, "card|expected")
    save_file({**good, name: good[name].double()}, path)
    refused(tmp_path, "float64")


def test_a_link_in_place_of_a_file_is_refused(method, tmp_path):
    saved(tmp_path, method)
    path = weights_file(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused(tmp_path, "not a plain file")


def test_a_folder_without_card_or_tensors_is_refused(method, tmp_path):
    refused(tmp_path, "not an adapter")
    saved(tmp_path, method)
    weights_file(tmp_path).unlink()
    refused(tmp_path, "expected one of")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"method": "lorra"}, "Did you mean 'lora'"),
        ({"settings": {"rank": 10**9}}, "its card calls for"),
        ({"settings": {"rank": 2, "rnak": 1}}, "unknown setting 'rnak'"),
        ({"targets": ["net/0", "net/7"]}, "no weight called net/7"),
        ({"targets": ["net/0", "net/1"]}, "no weight called net/1"),
        ({"targets": ["../net/0"]}, "no name of a component"),
        ({"targets": ["net/0", "net/0"]}, "names a target twice"),
        ({"targets": []}, "of different kinds, or there are none"),
        ({"surprise": 1}, "unknown setting 'surprise'"),
    ],
)
def test_a_card_that_was_tampered_with_is_refused(changes, words, tmp_path):
    saved(tmp_path, LoRA(rank=2))
    path = tmp_path / "adapter.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    refused(tmp_path, words)


def test_a_card_that_is_no_json_or_too_long_is_refused(tmp_path):
    saved(tmp_path, LoRA(rank=2))
    (tmp_path / "adapter.json").write_text("{")
    refused(tmp_path, "adapter.json")
    (tmp_path / "adapter.json").write_text("[" * 2**19)
    refused(tmp_path, "adapter.json")
    (tmp_path / "adapter.json").write_text(" " * (2**20 + 1))
    refused(tmp_path, "at most 1048576")


@pytest.mark.parametrize("index", [[3, 1], [1, 1], [-1, 5], [5, 60]])
def test_indices_that_do_not_fit_are_refused(index, tmp_path):
    saved(tmp_path, SO(density=0.2, T=2))
    path = weights_file(tmp_path)
    tensors = load_file(path)
    tensors["0.index"] = torch.tensor(index, dtype=torch.int32)
    tensors["0.difference"] = torch.ones(2)
    save_file(tensors, path)
    refused(tmp_path, "ascending int32 indices below 60")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plan": {"steps": 4, "seed": 2**70}}, "more than 63 bits"),
        ({"plan": {"steps": 4, "seed": -(2**70)}}, "more than 63 bits"),
        ({"plan": {"steps": 10**400, "seed": 0}}, "a number of steps that none can have"),
        ({"plan": {"steps": -1, "seed": 0}}, "a number of steps that none can have"),
        ({"settings": {"rank": 2, "alpha": 1e308}}, "alpha is 1e\\+308; expected 1e\\+09 at most"),
    ],
)
def test_numbers_that_nothing_can_work_with_are_refused_in_words(changes, words, tmp_path):
    saved(tmp_path, LoRA(rank=2))
    path = tmp_path / "adapter.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    refused(tmp_path, words)


def test_a_method_that_cannot_be_attached_here_leaves_the_backbone_as_it_was(tmp_path, monkeypatch):
    saved(tmp_path, LoRA(rank=2))
    inject = peft_attachment.cast_adapter_dtype

    def fails(component: nn.Module, *rest: str) -> None:
        inject(component, *rest)
        raise ValueError("no room")

    monkeypatch.setattr(peft_attachment, "cast_adapter_dtype", fails)
    refused(tmp_path, "its card does not fit this backbone")


def test_what_has_been_merged_or_removed_cannot_be_taken_out_again(method, tmp_path):
    saved(tmp_path, method)
    for first in ("merge", "remove"):
        parts = components()
        opened = open_adapter(tmp_path, parts, SHA)
        getattr(opened, first)()
        after = output(parts)
        for second in (opened.merge, opened.remove):
            with pytest.raises(RuntimeError, match="removed or merged before"):
                second()
        assert torch.equal(output(parts), after)


def test_a_folder_may_be_a_string(method: Method, tmp_path: Path) -> None:
    expected = saved(tmp_path, method)
    parts = components()
    opened = open_adapter(str(tmp_path), parts, SHA)
    torch.testing.assert_close(output(parts), expected, rtol=1e-5, atol=1e-6)
    opened.remove()


@pytest.mark.parametrize("target", ["0", "net/9", "other/0"])
@pytest.mark.parametrize("kind", [*METHODS, Full(), OFT(block_size=2)], ids=lambda each: each.name)
def test_a_target_that_is_not_there_is_named(kind: Method, target: str) -> None:
    parts = components()
    with pytest.raises(ValueError, match=f"no target '{target}': expected component/module path"):
        kind.attach(parts, [target], PLAN)
    assert all(param.requires_grad for param in parts["net"].parameters())
