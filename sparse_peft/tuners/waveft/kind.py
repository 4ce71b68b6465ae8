"""The type by which PEFT knows WaveFT adapters of ours."""

ON_DISK = "WAVEFT"  # what plain PEFT reads
BEYOND_PEFT = "SPARSE_PEFT_WAVEFT"  # on the disk, where plain PEFT would compute something else


class Kind(str):
    """WAVEFT where PEFT compares types, and a key of its own in PEFT's mappings.

    PEFT adds an adapter only to a model of an equal type, and reads a saved one as its own WAVEFT:
    that has to be equal to ours. The layers are looked up by the type, and PEFT's shall stay those
    of its own configs: that has to be another key. Dicts compare hashes before they compare keys.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        return hash((BEYOND_PEFT, str(self)))


WAVEFT = Kind(ON_DISK)
