"""The wavelet families we offer and their synthesis filters; numbers only, no torch."""

from functools import cache

from sparse_peft.errors import SpecError

# What the filter table of PEFT 0.21.2 holds, alike. It also holds coif4 and coif5, which are not
# the wavelets of these names (coif4 is off by 0.012, coif5 has 48 taps for 30), and declares others
# that fail in the first forward pass.
PEFT_FAMILIES = (
    *(f"db{order}" for order in range(1, 11)),
    *(f"sym{order}" for order in range(2, 11)),
    *(f"coif{order}" for order in range(1, 4)),
)
_BIORTHOGONAL = (
    *("1.1", "1.3", "1.5", "2.2", "2.4", "2.6", "2.8", "3.1", "3.3", "3.5", "3.7", "3.9"),
    *("4.4", "5.5", "6.8"),
)
# PyWavelets' discrete wavelets, without its second name for db1.
FAMILIES = (
    *(f"db{order}" for order in range(1, 39)),
    *(f"sym{order}" for order in range(2, 21)),
    *(f"coif{order}" for order in range(1, 18)),
    *(f"bior{orders}" for orders in _BIORTHOGONAL),
    *(f"rbio{orders}" for orders in _BIORTHOGONAL),
    "dmey",
)


def check_family(family: str) -> None:
    """Refuse a wavelet that is not among `FAMILIES`, the discrete ones of PyWavelets.

    Raises:
        SpecError: names the allowed families.
    """
    if family not in FAMILIES:
        raise SpecError(
            f"wavelet_family is {family!r}; expected db1 to db38, sym2 to sym20, coif1 to coif17, "
            f"dmey, or bior or rbio with one of {', '.join(_BIORTHOGONAL)}."
        )


@cache
def synthesis_filters(family: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low-pass and high-pass reconstruction taps of a family, in PyWavelets' order.

    Raises:
        SpecError: the family is not one of `FAMILIES`.
    """
    check_family(family)
    import pywt

    wavelet = pywt.Wavelet(family)
    return tuple(wavelet.rec_lo), tuple(wavelet.rec_hi)


def taps_of(family: str) -> int:
    """The length of both filters of a family.

    Raises:
        SpecError: the family is not one of `FAMILIES`.
    """
    return len(synthesis_filters(family)[0])
