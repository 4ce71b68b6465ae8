"""WaveFT: a few wavelet coefficients of each weight's update."""

from dataclasses import dataclass
from typing import ClassVar

from sparse_peft.maths.wavelets.filters import check_family
from sparse_peft.methods.scattered import Scattered


@dataclass(frozen=True)
class WaveFT(Scattered):
    """Each weight gains the inverse wavelet transform of a sparse grid."""

    name: ClassVar[str] = "waveft"
    title: ClassVar[str] = "Wavelet Fine-Tuning"
    label: ClassVar[str] = "WaveFT"
    family: ClassVar[str] = "waveft"
    sentence: ClassVar[str] = (
        "Learns a few scattered wavelet coefficients; each one shifts a small patch of weights."
    )
    source: ClassVar[str] = (
        "Bilican et al., Exploring Sparsity for Parameter Efficient Fine Tuning Using Wavelets, "
        "2025, arXiv:2505.12532; code: Bilican/Sparse_PEFT@a2f5e61, huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True
    unit: ClassVar[str] = "coefficient"

    coefficients: int = 2592
    """Trainable wavelet coefficients of each weight; all of them where a weight has fewer."""
    scaling: float = 25.0
    """Multiplies the update; it does not depend on how many coefficients there are."""
    wavelet_family: str = "db1"
    """Wavelet by its PyWavelets name: db1 (Haar) to db38, sym2 to sym20, coif1 to coif17, dmey,
    bior1.1 to bior6.8 or rbio1.1 to rbio6.8. PEFT alone opens db to 10, sym to 10, coif to 3."""
    random_loc_seed: int = 777
    """Seed of the places of the coefficients; weights of equal shape share their places."""
    per_layer_seed: bool = False
    """Whether each weight has places of its own instead; PEFT alone does not open such files."""
    proportional: bool = False
    """Whether large weights get more coefficients than small ones, at the same total."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values; 1e-4 is that of the official trainer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_family(self.wavelet_family)

    @property
    def wavelet(self) -> str | None:
        """The wavelet of the grid."""
        return self.wavelet_family
