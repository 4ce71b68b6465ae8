"""The wavelet families we offer and their synthesis filters; numbers only, no torch."""

from functools import cache

from sparse_peft.errors import SpecError

# The filter table of PEFT 0.21.2 holds these and coif4, coif5; those two are not the wavelets of
# these names (coif4 is off by 0.012, coif5 has 48 taps for 30), the other names it declares fail.
FAMILIES = (
    *(f"db{order}" for order in range(1, 11)),
    *(f"sym{order}" for order in range(2, 11)),
    *(f"coif{order}" for order in range(1, 4)),
)


def check_family(family: str) -> None:
    """Refuse a wavelet that PEFT and PyWavelets do not both define, alike.

    Raises:
        SpecError: names the allowed families.
    """
    if family not in FAMILIES:
        raise SpecError(
            f"wavelet_family is {family!r}; expected one of {', '.join(FAMILIES)}: "
            "the families that PEFT and PyWavelets both define, with the same filters."
        )


@cache
def synthesis_filters(family: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low-pass and high-pass reconstruction taps of an orthogonal family, in PyWavelets' order.

    Raises:
        SpecError: the family is not one of `FAMILIES`.
    """
    check_family(family)
    import pywt

    wavelet = pywt.Wavelet(family)
    return tuple(wavelet.rec_lo), tuple(wavelet.rec_hi)
