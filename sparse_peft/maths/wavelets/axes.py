"""Where the taps of a wavelet filter fall along one axis of a weight; no torch.

PEFT pads the coefficient grid of an axis by L - 2 (one more if odd), places the weight's positions
in its middle, synthesises, and crops the middle.

Source: huggingface/peft v0.21.2, src/peft/tuners/waveft/layer.py:134-190.
"""

from dataclasses import dataclass

from sparse_peft.maths.wavelets.filters import taps_of

POSITIONS = 8  # of each band in a block: of 8, 16 and 32 the fastest for filters of 2 to 8 taps
BLOCK = 2 * POSITIONS


@dataclass(frozen=True)
class Axis:
    """The padded grid of one axis of a weight.

    A channel is one band at one position. Channels are numbered by blocks of `POSITIONS` positions:
    the low-pass ones of a block, then its high-pass ones.
    """

    length: int
    """Rows or columns of the weight."""
    half: int
    """Positions in each half of the padded grid."""
    offset: int
    """Index in the padded grid of the weight's first position."""
    trim: int
    """Tap l of position i falls on 2 i + l - trim, if that lies inside the weight."""

    @property
    def blocks(self) -> int:
        """Blocks of channels; the last one may be partly empty."""
        return -(-self.half // POSITIONS)

    @property
    def channels(self) -> int:
        """Channels of all blocks, those in the empty part of the last one too."""
        return BLOCK * self.blocks


def axis(length: int, family: str) -> Axis:
    """The padded grid of one axis, as PEFT lays it out for a wavelet."""
    taps = taps_of(family)
    padded = length + taps - 2
    padded += padded % 2
    # PEFT trims both ends of the synthesis by this much, then crops the middle.
    ends = (2 * taps - 3) // 2
    synthesised = padded - 2 + taps - 2 * ends
    return Axis(
        length=length,
        half=padded // 2,
        offset=(padded - length) // 2,
        trim=ends + (synthesised - length) // 2,
    )
