"""AdaLoRA prunes for real, step for step as PEFT's own allocator does when it is asked to."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sparse_peft.errors import SpecError
from sparse_peft.methods.adalora import AdaLoRA
from sparse_peft.methods.adapters import open_adapter, write_card
from sparse_peft.methods.method import Plan
from sparse_peft.tuners.attachments.adalora import AdaLoraAttachment
from tests.methods.peft_folders import LR, SHAPES, TARGETS, components, inputs, loss, trained

PLAN = Plan(steps=30, seed=5)
METHOD = AdaLoRA(init_rank=6, target_rank=2, warmup=0.2, settling=0.3, orthogonality=0.1)
SHA = "0" * 64


class Answer:
    """An output with a loss, to which PEFT adds its penalty."""

    def __init__(self, loss: Tensor) -> None:
        self.loss = loss


class WithLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = components()["net"]

    def forward(self) -> Answer:
        return Answer(loss(self.net))


def as_peft_does_it() -> tuple[dict[str, Tensor], dict[str, list[bool]]]:
    """Tensors of PEFT's own model, trained as its documentation has it, and what stays of them."""
    config = peft.AdaLoraConfig(
        target_modules=["net.0", "net.2"],
        init_r=6,
        target_r=2,
        lora_alpha=6,
        tinit=6,
        tfinal=9,
        total_step=PLAN.steps,
        orth_reg_weight=0.1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(PLAN.seed)
        model = peft.get_peft_model(WithLoss(), config)
    found = [param for param in model.parameters() if param.requires_grad]
    optimizer = torch.optim.AdamW(found, lr=LR, weight_decay=METHOD.weight_decay)
    for step in range(1, PLAN.steps + 1):
        model.base_model().loss.backward()  # its forward is the one that adds the penalty
        optimizer.step()
        model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
    tensors = {
        name.removeprefix("base_model.model.net.").removesuffix(".default"): param.detach()
        for name, param in model.named_parameters()
        if param.requires_grad
    }
    return tensors, model.peft_config["default"].rank_pattern


def test_it_ends_where_pefts_own_allocator_ends() -> None:
    attachment = trained(METHOD, components(), PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    expected, pattern = as_peft_does_it()
    state = attachment.state()
    found = {k.removeprefix("values/net/"): v for k, v in state.items() if k.startswith("values/")}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-7)
    ranks = {f"net/{name.split('.')[1]}": sum(stays) for name, stays in pattern.items()}
    assert attachment.ranks() == ranks


def test_the_ranks_fall_to_the_target_and_differ_between_weights() -> None:
    attachment = METHOD.attach(components(), TARGETS, PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    assert set(attachment.ranks().values()) == {METHOD.init_rank}
    attachment = trained(METHOD, components(), PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    ranks = attachment.ranks()
    assert sum(ranks.values()) == METHOD.target_rank * len(TARGETS)
    assert len(set(ranks.values())) == 2


def test_nothing_is_pruned_in_the_warmup_and_all_is_settled_before_the_end() -> None:
    parts, seen = components(), []
    attachment = METHOD.attach(parts, TARGETS, PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    optimizer = attachment.optimizer(LR)
    for step in range(PLAN.steps):
        (loss(parts["net"]) + attachment.penalty()).backward()
        optimizer.step()
        attachment.after_step(step)
        optimizer.zero_grad()
        seen.append(attachment.ranks())
    totals = [sum(ranks.values()) for ranks in seen]
    assert totals[:6] == [12] * 6
    assert totals[6] < 12
    assert all(later <= earlier for earlier, later in pairwise(totals))
    assert seen[20:] == [seen[20]] * 10
    assert totals[20] == 4


def test_the_file_holds_what_is_left_and_no_more(tmp_path: Path) -> None:
    parts = components()
    attachment = trained(METHOD, parts, PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    attachment.save(tmp_path)
    held = load_file(tmp_path / "net" / "adapter_model.safetensors")
    for target, rank in attachment.ranks().items():
        path = f"base_model.model.{target.partition('/')[2]}"
        assert held[f"{path}.lora_A"].shape == (rank, SHAPES[target][1])
        assert held[f"{path}.lora_B"].shape == (SHAPES[target][0], rank)
        assert held[f"{path}.lora_E"].shape == (rank, 1)
    measured = attachment.measured()
    assert measured.stored == sum(tensor.numel() for tensor in held.values()) < measured.active
    expected = METHOD.footprint(SHAPES, PLAN)
    assert expected.estimated
    assert measured.active == expected.active == 6 * (30 + 26 + 2)


def test_an_opened_file_can_be_saved_again_unchanged(tmp_path: Path) -> None:
    parts = components()
    trained(METHOD, parts, PLAN).save(tmp_path / "one")
    write_card(tmp_path / "one", METHOD, "toy", SHA, TARGETS, PLAN)
    again = METHOD.attach(components(), TARGETS, PLAN)
    tensors = load_file(tmp_path / "one" / "net" / "adapter_model.safetensors")
    again.load({f"values/net/{k.removeprefix('base_model.model.')}": v for k, v in tensors.items()})
    again.save(tmp_path / "two")
    one, two = (tmp_path / each / "net" / "adapter_model.safetensors" for each in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    fresh = components()
    open_adapter(tmp_path / "one", fresh, SHA)
    torch.testing.assert_close(fresh["net"](inputs()), parts["net"](inputs()))


def test_a_file_stopped_before_any_pruning_opens_too(tmp_path: Path) -> None:
    parts = components()
    long = Plan(steps=100, seed=5)
    attachment = METHOD.attach(parts, TARGETS, long)
    optimizer = attachment.optimizer(LR)
    loss(parts["net"]).backward()
    optimizer.step()
    attachment.after_step(0)
    attachment.save(tmp_path)
    write_card(tmp_path, METHOD, "toy", SHA, TARGETS, long)
    fresh = components()
    open_adapter(tmp_path, fresh, SHA)
    assert torch.equal(fresh["net"](inputs()), parts["net"](inputs()))


def test_tensors_of_other_shapes_are_refused() -> None:
    attachment = METHOD.attach(components(), TARGETS, PLAN)
    good = attachment.state()
    for name, bad in [
        ("values/net/0.lora_A", torch.ones(7, 12)),
        ("values/net/0.lora_A", torch.ones(5, 12)),
        ("values/net/0.lora_A", torch.ones(6, 11)),
        ("values/net/0.lora_B", torch.ones(18)),
    ]:
        with pytest.raises(ValueError, match=r"0\.lora_. of net has shape"):
            attachment.load({**good, name: bad})
    with pytest.raises(ValueError, match="not those of this adapter"):
        attachment.load({k: v for k, v in good.items() if k != "values/net/0.lora_E"})


@pytest.mark.parametrize(
    ("budget", "ranks"), [(116, (2, 1)), (173, (2, 1)), (174, (3, 2)), (580, (10, 7))]
)
def test_the_budget_counts_the_rank_at_the_start(budget: int, ranks: tuple[int, int]) -> None:
    fitted = AdaLoRA().fit(budget, SHAPES)
    assert (fitted.init_rank, fitted.target_rank) == ranks


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"init_rank": 4, "target_rank": 4}, "init_rank is 4; expected more than target_rank"),
        ({"target_rank": 0}, "target_rank is 0"),
        ({"warmup": 1.0}, "warmup is 1.0; expected 0 to below 1"),
        ({"warmup": 0.5, "settling": 0.5}, "so that there are steps to prune in"),
        ({"every": 0}, "every is 0"),
        ({"beta1": 1.0}, "beta1 is 1.0; expected between 0 and 1"),
        ({"orthogonality": -1.0}, "orthogonality is -1.0"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_impossible_settings_are_refused_in_words(settings: dict[str, float], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        AdaLoRA(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("spoiled", [{0}, {0, 1, 8}, {20}])
def test_steps_whose_gradients_overflowed_do_not_stop_the_pruning(spoiled: set[int]) -> None:
    parts = components()
    method = replace(METHOD, warmup=0.0)
    attachment = method.attach(parts, TARGETS, PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    optimizer = attachment.optimizer(LR)
    for step in range(PLAN.steps):
        (loss(parts["net"]) + attachment.penalty()).backward()
        if step in spoiled:  # a scaler leaves out the step of the optimizer
            attachment.leaves()[0].grad[0] = torch.inf  # type: ignore[index]
        else:
            optimizer.step()
        attachment.after_step(step)
        optimizer.zero_grad()
        averages = attachment._tuner("net").rankallocator.exp_avg_unc.values()
        assert all(average.isfinite().all() for average in averages)
    assert sum(attachment.ranks().values()) == METHOD.target_rank * len(TARGETS)


def test_where_every_step_overflows_nothing_is_pruned() -> None:
    parts = components()
    attachment = METHOD.attach(parts, TARGETS, PLAN)
    assert isinstance(attachment, AdaLoraAttachment)
    for step in range(PLAN.steps):
        for leaf in attachment.leaves():
            leaf.grad = torch.full_like(leaf, torch.nan)
        attachment.after_step(step)
    assert set(attachment.ranks().values()) == {METHOD.init_rank}


def test_the_greatest_pruning_that_is_allowed_opens_again(tmp_path: Path) -> None:
    plan = Plan(steps=20, seed=5)
    method = AdaLoRA(init_rank=64, target_rank=1, warmup=0.0)
    trained(method, components(), plan).save(tmp_path)
    write_card(tmp_path, method, "toy", SHA, TARGETS, plan)
    open_adapter(tmp_path, components(), SHA)
    with pytest.raises(SpecError, match="init_rank is 65 and target_rank 1; expected at most 64"):
        AdaLoRA(init_rank=65, target_rank=1)
    wide = {"net/0": (400, 400)}
    fitted = AdaLoRA(init_rank=128, target_rank=2).fit(801 * 95, wide)
    assert (fitted.init_rank, fitted.target_rank) == (95, 2)
