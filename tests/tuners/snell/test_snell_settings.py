"""Settings are checked where they are made; the messages are tested with `SnellConfig`."""

import pytest

from sparse_peft.errors import SpecError
from sparse_peft.maths.snell.competition import Competition
from sparse_peft.tuners.snell.settings import SnellSettings


def test_settings_know_their_competition() -> None:
    settings = SnellSettings(rank=4, sparsity=0.3, form="paper", dropout=0.1, drop_path=0.0)
    assert settings.competition == Competition(0.3, "paper")


def test_each_setting_is_checked() -> None:
    fine = {"rank": 4, "sparsity": 0.3, "form": "code", "dropout": 0.0, "drop_path": 0.0}
    for name, value in (("rank", 3), ("sparsity", -0.5), ("dropout", 1.5), ("drop_path", -0.1)):
        with pytest.raises(SpecError, match=f"{name} is {value}"):
            SnellSettings(**{**fine, name: value})
