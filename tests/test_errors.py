"""A wrong setting is what a person can mend, and what a program calls a ValueError."""

import pytest

from sparse_peft import SnellConfig, WaveFTConfig
from sparse_peft.errors import BackboneError, DataError, RunError, SpecError, UserError


def test_a_wrong_setting_is_a_value_error_and_nothing_else_is() -> None:
    assert issubclass(SpecError, UserError)
    assert issubclass(SpecError, ValueError)
    for other in (BackboneError, DataError, RunError):
        assert not issubclass(other, ValueError)
    assert str(SpecError("rank is 0")) == "rank is 0"


def test_a_library_user_gets_it_for_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="coif18"):
        WaveFTConfig(wavelet_family="coif18")
    with pytest.raises(ValueError, match=r"^r is 3; expected an even number"):
        SnellConfig(r=3)
