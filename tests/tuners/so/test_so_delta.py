import copy
import errno
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_nets import batches, net, train
from torch import Tensor, nn

from sparse_peft import files
from sparse_peft.errors import BackboneError
from sparse_peft.tuners.so.delta import HEADER, load_delta, save_delta
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

STEPS = 9


def trained(dtype: torch.dtype = torch.float32, steps: int = STEPS) -> tuple[nn.Module, SO]:
    model = net(dtype)
    so = SO(model.parameters(), lr=1e-2, density_ratio=0.1, T=2, remember=True)
    sampled_gradients(model, so)
    train(model, so, batches(steps))
    return model, so


def bits(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def saved(tmp_path):
    model, so = trained()
    save_delta(model, so, tmp_path / "delta.safetensors")
    return tmp_path / "delta.safetensors"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_loaded_delta_is_the_training_and_is_removed_bit_for_bit(dtype, tmp_path):
    model, so = trained(dtype)
    save_delta(model, so, tmp_path / "delta.safetensors")
    fresh, base = net(dtype), bits(net(dtype))
    loaded = load_delta(fresh, tmp_path / "delta.safetensors")
    for name, now in bits(fresh).items():
        expected = model.state_dict()[name]
        torch.testing.assert_close(now, expected, rtol=1e-6, atol=1e-7)
        change, wanted = now.double() - base[name].double(), expected.double() - base[name].double()
        spacing = torch.finfo(dtype).eps * expected.abs().max()
        torch.testing.assert_close(change, wanted, rtol=2e-7, atol=2 * spacing.item())
        assert torch.equal(now != base[name], expected != base[name])
    assert not same(bits(fresh), base)
    loaded.remove()
    assert same(bits(fresh), base)


def test_a_merged_delta_stays(saved):
    model = net()
    loaded = load_delta(model, saved)
    now = bits(model)
    loaded.merge()
    assert same(bits(model), now)
    for late in (loaded.remove, loaded.merge):
        with pytest.raises(RuntimeError, match="removed or merged before"):
            late()


def test_the_file_holds_eight_bytes_for_each_changed_entry(saved):
    model, base = trained()[0], net()
    tensors = load_file(saved)
    for name, now in model.state_dict().items():
        changed = (now != base.state_dict()[name]).flatten().nonzero().flatten()
        assert tensors[f"{name}.index"].equal(changed.int())
        assert tensors[f"{name}.difference"].dtype == torch.float32
    assert len(tensors) == 2 * len(model.state_dict())


def test_what_did_not_change_is_not_in_the_file(tmp_path):
    model = net()
    so = SO([model[1].weight, model[1].bias], lr=1e-2, remember=True)
    model[1].weight.grad = torch.ones_like(model[1].weight)
    so.step()
    save_delta(model, so, tmp_path / "delta.safetensors")
    assert load_file(tmp_path / "delta.safetensors").keys() == {
        "1.weight.index", "1.weight.difference"
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_base_may_be_opened_in_another_type(saved, dtype):
    model = net().to(dtype)
    base = bits(model)
    loaded = load_delta(model, saved)
    expected = trained()[0].to(dtype)
    for name, now in bits(model).items():
        torch.testing.assert_close(now, expected.state_dict()[name], rtol=1e-2, atol=1e-3)
    loaded.remove()
    assert same(bits(model), base)


def test_a_file_of_module_names_is_for_their_weights(saved):
    """So are the files of the studio's adapters."""
    with safe_open(saved, "pt") as file:
        made_for = json.loads(file.metadata()[HEADER])
    tensors = load_file(saved)
    chosen = {f"1.{part}": tensors[f"1.weight.{part}"] for part in ("index", "difference")}
    metadata = {HEADER: json.dumps({"1": made_for["1.weight"]})}
    save_file(chosen, saved.with_name("modules.safetensors"), metadata=metadata)
    model, base = net(), bits(net())
    load_delta(model, saved.with_name("modules.safetensors"))
    assert not torch.equal(model[1].weight, base["1.weight"])
    assert torch.equal(model[1].bias, base["1.bias"])


def test_other_weights_and_a_second_loading_are_refused(saved):
    model = net()
    with torch.no_grad():
        model[5].weight += 1e-3
    before = bits(model)
    with pytest.raises(BackboneError, match=r"5\.weight was made for other weights"):
        load_delta(model, saved)
    assert same(bits(model), before)
    model = net()
    load_delta(model, saved)
    with pytest.raises(BackboneError, match="if another delta is in it, remove that first"):
        load_delta(model, saved)


def test_weights_that_changed_since_are_not_put_back(saved):
    model = net()
    loaded = load_delta(model, saved)
    train(model, torch.optim.SGD(model.parameters(), lr=1e-2), batches(1))
    now = bits(model)
    with pytest.raises(RuntimeError, match="have changed since"):
        loaded.remove()
    assert same(bits(model), now)


def no_numbers(tensors: dict[str, Tensor], header: dict) -> None:  # noqa: ARG001
    tensors["1.weight.difference"].fill_(torch.nan)


def other_shape(tensors: dict[str, Tensor], header: dict) -> None:  # noqa: ARG001
    header["1.weight"][0] = [12, 16]


def lost_tensor(tensors: dict[str, Tensor], header: dict) -> None:  # noqa: ARG001
    del tensors["1.weight.index"]


def far_places(tensors: dict[str, Tensor], header: dict) -> None:  # noqa: ARG001
    tensors["1.weight.index"].fill_(10**6)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_numbers, "not finite"),
        (other_shape, r"shape \[12, 16\]"),
        (lost_tensor, "not those that its header names"),
        (far_places, "ascending int32 indices"),
    ],
)
def test_a_spoiled_file_is_refused_and_changes_nothing(saved, spoil, words):
    with safe_open(saved, "pt") as file:
        header = json.loads(file.metadata()[HEADER])
    tensors = load_file(saved)
    spoil(tensors, header)
    save_file(tensors, saved, metadata={HEADER: json.dumps(header)})
    model, base = net(), bits(net())
    with pytest.raises(BackboneError, match=words):
        load_delta(model, saved)
    assert same(bits(model), base)


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {HEADER: "{"}, {HEADER: "3"}, {HEADER: '{"a": [3]}'}]
)
def test_a_file_that_does_not_say_what_it_is_for_is_refused(saved, metadata):
    save_file(load_file(saved), saved, metadata=metadata)
    with pytest.raises(BackboneError, match="no delta of SO"):
        load_delta(net(), saved)


def test_a_base_of_another_width_is_refused_with_both_shapes(saved):
    for wider in (nn.Linear(13, 16), nn.Linear(8, 16)):
        model = net()
        model[1] = wider
        expected = (
            rf"1\.weight is for a weight of shape \[16, 12\]; .* \[16, {wider.in_features}\]\.$"
        )
        with pytest.raises(BackboneError, match=expected):
            load_delta(model, saved)


def test_a_model_without_the_parameters_is_refused(saved):
    with pytest.raises(BackboneError, match="no parameter called scalar"):
        load_delta(nn.Tanh(), saved)
    tied = net()
    tied[1].bias = tied[2].bias
    with pytest.raises(BackboneError, match="are one in this model"):
        load_delta(tied, saved)


def test_saving_needs_the_originals_and_the_model(tmp_path):
    model, so = net(), SO(net().parameters())
    with pytest.raises(ValueError, match="remember=True"):
        save_delta(model, so, tmp_path / "x")
    with pytest.raises(ValueError, match="does not have"):
        save_delta(model, trained()[1], tmp_path / "x")


def test_a_resumed_training_saves_the_same_delta(tmp_path):
    model, so = trained(steps=5)  # in the middle of a support's life
    kept = {"model": bits(model), "so": so.state_dict()}
    torch.save(kept, tmp_path / "kept.pt")
    kept = torch.load(tmp_path / "kept.pt", weights_only=True)
    again = net()
    again.load_state_dict(kept["model"])
    other = SO(again.parameters())
    sampled_gradients(again, other)
    other.load_state_dict(kept["so"])  # brings options and originals
    train(again, other, batches(STEPS)[5:])
    save_delta(again, other, tmp_path / "resumed.safetensors")
    save_delta(*trained(), tmp_path / "whole.safetensors")
    whole, resumed = (tmp_path / f"{name}.safetensors" for name in ("whole", "resumed"))
    assert resumed.read_bytes() == whole.read_bytes()
    other.restore()
    assert same(bits(again), bits(net()))


def test_a_small_change_of_double_weights_is_not_rounded_away(tmp_path):
    model, base = net(torch.float64), net(torch.float64)
    so = SO(model.parameters(), lr=1e-9, density_ratio=0.1, remember=True)
    train(model, so, batches(3))
    save_delta(model, so, tmp_path / "delta.safetensors")
    loaded = net(torch.float64)
    load_delta(loaded, tmp_path / "delta.safetensors")
    wanted = model[1].weight - base[1].weight
    assert wanted.abs().max() > 0
    torch.testing.assert_close(loaded[1].weight - base[1].weight, wanted, rtol=2e-7, atol=1e-15)


def test_a_model_of_many_small_tensors_is_saved_and_opened(tmp_path):
    names = [f"transformer_layer_{number:05d}_mlp_expert" for number in range(3500)]
    model = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in names})
    base = copy.deepcopy(model)
    so = SO(model.parameters(), density_ratio=1.0, lr=0.1, remember=True)
    for param in model.parameters():
        param.grad = torch.ones_like(param)
    so.step()
    save_delta(model, so, tmp_path / "delta.safetensors")
    load_delta(base, tmp_path / "delta.safetensors")
    assert same(bits(base), bits(model))


def test_a_compiled_model_has_the_names_of_its_plain_one(saved, tmp_path):
    model, so = trained()
    save_delta(torch.compile(model, backend="eager"), so, tmp_path / "compiled.safetensors")
    assert (tmp_path / "compiled.safetensors").read_bytes() == saved.read_bytes()
    fresh = net()
    fresh[1] = torch.compile(fresh[1], backend="eager")
    plain = net()
    load_delta(fresh, saved)
    load_delta(plain, saved)
    assert torch.equal(fresh[1].weight, plain[1].weight)


def test_a_header_of_endless_nesting_is_refused(saved):
    save_file(load_file(saved), saved, metadata={HEADER: "[" * 100_000})
    with pytest.raises(BackboneError, match="no delta of SO"):
        load_delta(net(), saved)


def test_a_difference_that_overflows_the_weight_is_refused_and_changes_nothing(tmp_path):
    base = nn.Linear(4, 4, bias=False).half()
    model = copy.deepcopy(base)
    so = SO(model.parameters(), density_ratio=1.0, remember=True)
    model.weight.grad = torch.ones_like(model.weight)
    so.step()
    save_delta(model, so, tmp_path / "delta.safetensors")
    with safe_open(tmp_path / "delta.safetensors", "pt") as file:
        metadata = file.metadata()
    tensors = load_file(tmp_path / "delta.safetensors")
    tensors["weight.difference"][0] = 1e6
    save_file(tensors, tmp_path / "delta.safetensors", metadata=metadata)
    before = bits(base)
    with pytest.raises(BackboneError, match=r"overflows torch\.float16"):
        load_delta(base, tmp_path / "delta.safetensors")
    assert same(bits(base), before)


def test_a_failing_disk_leaves_the_delta_that_was_there(saved, monkeypatch):
    model, so = trained(steps=3)
    before = saved.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files.disk, "fsync", fail)
    with pytest.raises(files.DiskError, match=r"delta\.safetensors could not be written"):
        save_delta(model, so, saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
