"""What every method promises the training loop; a new method passes this file unchanged."""

import errno
import os
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from sparse_peft import files, tables
from sparse_peft.errors import SpecError
from sparse_peft.methods import all_methods
from sparse_peft.methods.adapters import open_adapter, write_card
from sparse_peft.methods.method import Attachment, Method, MethodClass, Plan
from sparse_peft.methods.sizes import CLOSE
from sparse_peft.tuners.layout import PEFT_PREFIX, file_of

TARGETS = ("net/first", "net/block.second", "head/0")
PLAN = Plan(steps=12, seed=3)
SHA = "0" * 64


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 20)
        self.block = nn.ModuleDict({"second": nn.Linear(20, 16, bias=False)})
        self.second = nn.Linear(16, 16)  # not a target, though its name ends like one

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.block["second"](torch.tanh(self.first(x))))


def components() -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"net": Net(), "head": nn.Sequential(nn.Linear(16, 5))}


def output(parts: dict[str, nn.Module]) -> Tensor:
    x = torch.randn(32, 12, generator=torch.Generator().manual_seed(1))
    return parts["head"](parts["net"](x))


def loss(parts: dict[str, nn.Module]) -> Tensor:
    wanted = torch.randn(32, 5, generator=torch.Generator().manual_seed(2))
    return (output(parts) - wanted).square().mean()


def shapes(parts: dict[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    found = {}
    for target in TARGETS:
        component, _, path = target.partition("/")
        found[target] = tuple(parts[component].get_submodule(path).weight.shape)
    return found


def step(parts: dict[str, nn.Module], attachment: Attachment, number: int) -> None:
    optimizer = attachment.optimizer(lr=LR)
    attachment.before_forward(number)
    value = loss(parts)
    if (penalty := attachment.penalty()) is not None:
        value = value + penalty
    value.backward()
    attachment.clip(1.0)
    optimizer.step()
    attachment.after_step(number)
    optimizer.zero_grad()


LR = 3e-3


@pytest.fixture(params=sorted(all_methods()))
def kind(request: pytest.FixtureRequest) -> MethodClass:
    return all_methods()[request.param]


@pytest.fixture
def parts() -> dict[str, nn.Module]:
    return components()


@pytest.fixture
def chosen(kind: MethodClass, parts: dict[str, nn.Module]) -> Method:
    """The method at a budget that holds some of it."""
    limits = kind().budget_range(shapes(parts))
    return (
        kind() if limits is None else kind().fit(limits[0] + 2 * max(limits[1], 30), shapes(parts))
    )


@pytest.fixture
def attached(chosen: Method, parts: dict[str, nn.Module]) -> Attachment:
    found = chosen.attach(parts, TARGETS, PLAN)
    found.optimizer(LR)
    return found


def weights(parts: dict[str, nn.Module]) -> dict[str, Tensor]:
    return {f"{c}/{n}": p.clone() for c, m in parts.items() for n, p in m.state_dict().items()}


def close(left: Tensor, right: Tensor, rtol: float = 1e-5) -> None:
    """Equal to single precision, at the size that the largest of them has."""
    atol = 1e-6 * max(1.0, float(right.detach().abs().max()))
    torch.testing.assert_close(left, right, rtol=rtol, atol=atol)


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_method_and_its_attachment_speak_the_protocols(chosen, attached):
    assert isinstance(chosen, Method)
    assert isinstance(attached, Attachment)
    assert len(chosen.label) <= 9
    assert chosen.sentence.endswith(".")
    assert len(chosen.sentence) <= 140
    assert attached.optimizer(LR) is attached.optimizer(LR)


def test_starts_at_base_is_honest(chosen, parts):
    before = output(parts)
    attachment = chosen.attach(parts, TARGETS, PLAN)
    assert torch.equal(output(parts), before) == chosen.starts_at_base
    moved = max(float(attachment.change(target).abs().max()) for target in TARGETS)
    assert (moved == 0) == chosen.starts_at_base


def test_counts_equal_the_footprint(chosen, parts, attached):
    expected = chosen.footprint(shapes(parts), PLAN)
    for number in range(PLAN.steps):
        step(parts, attached, number)
    measured = attached.measured()
    assert measured.active == expected.active
    assert not measured.estimated
    if not expected.estimated:
        assert measured == expected


def test_what_is_not_estimated_does_not_depend_on_the_plan(chosen, parts):
    """The page counts such a footprint once, for any number of steps and any seed."""
    one, other = (chosen.footprint(shapes(parts), Plan(steps, steps)) for steps in (1, 50))
    assert one == other or (one.estimated and other.estimated)


def test_a_fitted_method_is_within_the_budget_and_the_next_size_is_not(kind, parts):
    """However the sizes are spaced: others are found by the method's settings, not by `fit`."""
    limits = kind().budget_range(shapes(parts))
    if limits is None:
        return
    smallest, step_size = limits
    first, last = (kind().fit(budget, shapes(parts)) for budget in (smallest, 10**12))
    assert last == kind().fit(10**15, shapes(parts))
    assert count(first) == smallest
    assert count(kind().fit(smallest + step_size, shapes(parts))) > smallest
    most = 3 * smallest + 1
    sizes = alike(first, last, most)
    near = {size + more for size in sizes for more in (-1, 0, 1)}
    reached = smallest
    for budget in sorted(near | {most, 2 * most, count(last) - 1, count(last)}):
        if budget < smallest:
            continue
        fitted = count(kind().fit(budget, shapes(parts)))
        assert (1 - CLOSE) * reached <= fitted <= budget
        reached = fitted
        larger = [method for size, method in sizes.items() if fitted < size <= budget]
        if fitted < (1 - CLOSE) * budget:
            assert not any(can_be_attached(method) for method in larger), larger


def test_where_sizes_are_evenly_spaced_none_is_left_out(kind, parts):
    limits = kind().budget_range(shapes(parts))
    if limits is None:
        return
    smallest, step_size = limits
    third = smallest + 2 * step_size
    if count(kind().fit(third, shapes(parts))) == third:
        budget = 3 * smallest + 1
        assert count(kind().fit(budget, shapes(parts))) > budget - step_size - len(TARGETS)


def count(method: Method) -> int:
    return method.footprint(shapes(components()), PLAN).active


def alike(first: Method, last: Method, most: int) -> dict[int, Method]:
    """By its count, what the smallest becomes if one of the settings that `fit` sets is moved.

    It is moved towards what it is at last, and as far again, since `fit` may have stopped too
    early; up to `most` values, and while that costs no less.
    """
    names = [field.name for field in fields(first)]
    ends = {name: (getattr(first, name), getattr(last, name)) for name in names}
    ends = {name: pair for name, pair in ends.items() if pair[0] != pair[1]}
    found = {}
    for name, (start, stop) in ends.items():
        dearest = 0
        for value in moved(start, 2 * stop - start):
            try:
                method = replace(first, **{name: value})
                dearest, before = count(method), dearest
            except SpecError:
                continue  # no size, such as an odd rank that is halved
            if not before <= dearest <= most:
                break
            found[dearest] = method
    return found


def moved(start: float, stop: float) -> list[float]:
    if isinstance(start, int) and isinstance(stop, int):
        return list(range(start, stop + 1) if start < stop else range(start, stop - 1, -1))
    return [start + (stop - start) * part / 1000 for part in range(1001)]


def can_be_attached(method: Method) -> bool:
    try:
        method.attach(components(), TARGETS, PLAN)
    except (SpecError, ValueError):
        return False
    return True


def test_a_budget_below_the_smallest_is_an_error_that_names_it(kind, parts):
    limits = kind().budget_range(shapes(parts))
    if limits is None:
        return
    for budget in (0, limits[0] - 1):
        with pytest.raises(SpecError, match=rf"\b{limits[0]}\b"):
            kind().fit(budget, shapes(parts))


def test_three_steps_lower_the_loss(parts, attached):
    before = loss(parts).item()
    for number in range(3):
        step(parts, attached, number)
    assert loss(parts).item() < before


def test_only_the_targets_change(parts, attached):
    before = weights(components())
    for number in range(3):
        step(parts, attached, number)
    attached.remove(keep=True)
    owned = {f"{target}.weight" for target in TARGETS}
    after = weights(parts)
    assert {k for k in before if not torch.equal(before[k], after[k])} == owned


def test_a_loaded_state_gives_the_same_output_and_the_same_next_steps(chosen, parts, attached):
    for number in range(4):
        step(parts, attached, number)
    saved = attached.state()
    assert all(tensor.device.type == "cpu" for tensor in saved.values())
    again = components()
    other = chosen.attach(again, TARGETS, PLAN)
    other.optimizer(LR)
    other.load({key: value.clone() for key, value in saved.items()})
    assert torch.equal(output(again), output(parts))
    for number in range(4, PLAN.steps):
        step(parts, attached, number)
        step(again, other, number)
        assert torch.equal(output(again), output(parts))
    assert same(other.state(), attached.state())


def test_loading_an_earlier_state_goes_back(parts, attached):
    step(parts, attached, 0)
    earlier, was = attached.state(), output(parts)
    for number in range(1, PLAN.steps):
        step(parts, attached, number)
    attached.load(earlier)
    assert torch.equal(output(parts), was)
    assert same(attached.state(), earlier)


def test_the_leaves_hold_the_gradients_that_the_optimizer_reads(parts, attached):
    """Scaling them down to nothing before the step is to have had no gradients at all."""
    optimizer = attached.optimizer(LR)
    attached.before_forward(0)
    loss(parts).backward()
    leaves = attached.leaves()
    assert sum(leaf.numel() for leaf in leaves) == attached.measured().active
    assert max(float(leaf.grad.abs().max()) for leaf in leaves if leaf.grad is not None) > 0
    before = {target: attached.change(target) for target in TARGETS}
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    for leaf in leaves:
        if leaf.grad is not None:
            leaf.grad.zero_()
    optimizer.step()
    assert all(torch.equal(attached.change(target), before[target]) for target in TARGETS)


def test_the_same_seed_gives_the_same_bits(chosen):
    results = []
    for _ in range(2):
        parts = components()
        torch.rand(7)  # what others draw must not matter
        attachment = chosen.attach(parts, TARGETS, PLAN)
        for number in range(PLAN.steps):
            step(parts, attachment, number)
        results.append(attachment.state())
    assert same(*results)


def test_removing_gives_the_base_back_bit_for_bit(parts, chosen):
    before, flags = (
        weights(parts),
        [p.requires_grad for m in parts.values() for p in m.parameters()],
    )
    modules = [type(module) for part in parts.values() for module in part.modules()]
    attachment = chosen.attach(parts, TARGETS, PLAN)
    for number in range(PLAN.steps):
        step(parts, attachment, number)
    attachment.remove(keep=False)
    assert same(weights(parts), before)
    assert modules == [type(module) for part in parts.values() for module in part.modules()]
    assert flags == [p.requires_grad for m in parts.values() for p in m.parameters()]
    loss(parts).backward()
    assert all(p.grad is not None for m in parts.values() for p in m.parameters())


def test_merging_keeps_the_output_and_the_change(parts, attached):
    before = weights(components())
    base = {target: before[f"{target}.weight"] for target in TARGETS}
    for number in range(PLAN.steps):
        step(parts, attached, number)
    trained, changes = output(parts), {target: attached.change(target) for target in TARGETS}
    attached.remove(keep=True)
    close(output(parts), trained)
    after = weights(parts)
    assert after.keys() == before.keys()
    for target, change in changes.items():
        assert change.dtype == torch.float32
        close(after[f"{target}.weight"] - base[target], change, rtol=1e-4)


def test_settings_survive_a_table(chosen):
    assert tables.build(type(chosen), tables.table(chosen), "here") == chosen


def test_a_saved_adapter_opens_to_the_same_output_and_closes_without_a_trace(
    chosen, parts, attached, tmp_path
):
    for number in range(PLAN.steps):
        step(parts, attached, number)
    attached.save(tmp_path)
    write_card(tmp_path, chosen, "toy", SHA, TARGETS, PLAN)
    fresh = components()
    before = weights(fresh)
    opened = open_adapter(tmp_path, fresh, SHA)
    close(output(fresh), output(parts))
    opened.remove()
    assert same(weights(fresh), before)


def test_an_opened_adapter_can_be_made_part_of_the_backbone(chosen, parts, attached, tmp_path):
    for number in range(PLAN.steps):
        step(parts, attached, number)
    attached.save(tmp_path)
    write_card(tmp_path, chosen, "toy", SHA, TARGETS, PLAN)
    fresh = components()
    modules = [type(module) for part in fresh.values() for module in part.modules()]
    open_adapter(tmp_path, fresh, SHA).merge()
    assert modules == [type(module) for part in fresh.values() for module in part.modules()]
    close(output(fresh), output(parts))


def test_a_disk_that_fails_while_saving_leaves_the_files_that_were_there(parts, attached, tmp_path):
    """Whichever call fails: each file is what it was, or what it becomes."""

    def saved() -> dict[str, bytes]:
        return {
            path.relative_to(tmp_path).as_posix(): path.read_bytes()
            for path in tmp_path.rglob("*")
            if path.is_file()
        }

    step(parts, attached, 0)
    attached.save(tmp_path)
    before = saved()
    step(parts, attached, 1)
    attached.save(tmp_path)
    after = saved()
    assert after.keys() == before.keys()
    assert after != before
    finishes = False
    for fails_at in range(100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "disk", disk := FailingDisk(fails_at))
            for path, content in before.items():
                (tmp_path / path).write_bytes(content)
            finishes = True
            try:
                attached.save(tmp_path)
            except files.DiskError:
                finishes = False
        assert finishes == (disk.left >= 0)
        assert saved().keys() == before.keys()
        assert all(found in (before[path], after[path]) for path, found in saved().items())
        if finishes:
            break
    assert finishes
    assert fails_at > len(before)


class FailingDisk(files.Disk):
    """Fails once so many calls have gone well."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._count()
        return super().write(fd, data)

    def fsync(self, fd: int) -> None:
        self._count()
        super().fsync(fd)


def test_the_file_keeps_the_tensors_that_the_method_names(chosen, parts, attached, tmp_path):
    from safetensors import safe_open

    step(parts, attached, 0)
    attached.save(tmp_path)
    found = set()
    for path in tmp_path.rglob("*.safetensors"):
        assert {path.name} == {file_of(chosen.tensors(shape)) for shape in shapes(parts).values()}
        with safe_open(path, "pt") as file:
            found |= {f"{path.parent.name}/{key.removeprefix(PEFT_PREFIX)}" for key in file.keys()}  # noqa: SIM118
    named = {
        f"{target}.{name}"
        for target, shape in shapes(parts).items()
        for name in chosen.tensors(shape)
    }
    assert found == named


def test_the_stored_numbers_are_those_of_the_files(parts, attached, tmp_path):
    from safetensors.torch import load_file

    for number in range(PLAN.steps):
        step(parts, attached, number)
    attached.save(tmp_path)
    found = [load_file(path) for path in tmp_path.rglob("*.safetensors")]
    stored = sum(tensor.numel() for tensors in found for tensor in tensors.values())
    assert stored == attached.measured().stored
