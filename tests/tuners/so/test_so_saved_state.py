import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparse_peft.tuners.so.optimizer import SO


def linears(width: int = 40) -> nn.Module:
    return nn.Sequential(nn.Linear(30, width), nn.Linear(width, 20))


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    model(torch.ones(2, 30)).square().sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def state_of(width: int = 40, **options: Any) -> dict[str, Any]:
    model = linears(width)
    return step(model, SO(model.parameters(), **options))


def check_refused(so: SO, state: dict[str, Any], words: str) -> None:
    """That the state is refused with these words, and that nothing has changed."""
    before = copy.deepcopy(so.state_dict())
    with pytest.raises(ValueError, match=words) as error:
        so.load_state_dict(state)
    assert "\n" not in str(error.value)
    after = so.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert after["state"].keys() == before["state"].keys()


@pytest.mark.parametrize("remember", [False, True])
@pytest.mark.parametrize("steps", [0, 1])
def test_the_state_of_adam_is_refused(remember, steps):
    model = linears()
    adam = torch.optim.Adam(model.parameters())
    state = step(model, adam) if steps else adam.state_dict()
    so = SO(model.parameters(), remember=remember)
    check_refused(so, state, "^SO: this state is another optimizer's: it has no density_ratio, T,")


@pytest.mark.parametrize("width", [39, 60])
def test_the_state_of_a_model_of_another_width_is_refused(width):
    words = (
        rf"parameter 0, of shape \(40, 30\) has shape \({30 * width // 10},\); expected \(120,\)"
    )
    check_refused(SO(linears().parameters()), state_of(width), words)


def test_a_width_that_only_the_places_betray_is_refused():
    """At the least density every tensor has one entry, whatever its size."""
    so, state = SO(linears().parameters()), state_of(width=4000, density_ratio=1e-9)
    state["state"][0]["support"].fill_(4000)
    words = r"support of parameter 0, of shape \(40, 30\) is wrong; .* indices below 1200$"
    state["state"][0]["index"].fill_(3)
    check_refused(so, state, words)


def test_the_state_of_other_groups_is_refused():
    model = linears()
    groups = [{"params": model[0].parameters()}, {"params": model[1].parameters()}]
    words = r"^SO: this state is for groups of \[4\] parameters; expected \[2, 2\]$"
    check_refused(SO(groups), state_of(), words)


def lost_support(own: dict[str, Any]) -> None:
    del own["support"]


def lost_counter(own: dict[str, Any]) -> None:
    del own["drawn_at"]


def short_moments(own: dict[str, Any]) -> None:
    own["exp_avg"] = own["exp_avg"][1:]


def far_moments(own: dict[str, Any]) -> None:
    own["index"][3] = 1200


def repeated_moments(own: dict[str, Any]) -> None:
    own["index"][3] = own["index"][0]


def unsorted_support(own: dict[str, Any]) -> None:
    own["support"] = own["support"].flip(0)


def wide_support(own: dict[str, Any]) -> None:
    own["support"] = own["support"].long()


def far_originals(own: dict[str, Any]) -> None:
    own["touched"][-1] = 1200


def short_originals(own: dict[str, Any]) -> None:
    own["originals"] = own["originals"][1:]


def lost_originals(own: dict[str, Any]) -> None:
    del own["originals"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lost_support, "has no support for parameter 0,"),
        (lost_counter, "has no drawn_at for parameter 0,"),
        (short_moments, r"exp_avg of parameter 0, .* has shape \(119,\); expected \(120,\)"),
        (far_moments, "index of parameter 0, .* below 1200"),
        (repeated_moments, "index of parameter 0, .* distinct"),
        (unsorted_support, "support of parameter 0, .* ascending"),
        (wide_support, "support of parameter 0, .* int32"),
        (far_originals, "touched of parameter 0, .* below 1200"),
        (short_originals, r"originals of parameter 0, .* \(119,\); expected \(120,\)"),
        (lost_originals, r"originals of parameter 0, .* None; expected \(120,\)"),
    ],
)
def test_a_spoiled_state_is_refused(spoil, words):
    state = state_of(remember=True)
    spoil(state["state"][0])
    check_refused(SO(linears().parameters()), state, words)


def test_options_that_no_step_could_use_are_refused():
    state = state_of()
    state["param_groups"][0]["T"] = 0
    check_refused(SO(linears().parameters()), state, "^SO: T is 0; expected")


def test_a_state_of_tensors_that_never_moved_is_fine():
    model = linears()
    model[0].requires_grad_(False)
    state = step(model, SO(model.parameters(), density_ratio=0.3))
    assert list(state["state"]) == [2, 3]
    again = SO(linears().parameters())
    again.load_state_dict(state)
    held: Tensor = again.state[again.param_groups[0]["params"][2]]["support"]
    assert held.equal(state["state"][2]["support"])
