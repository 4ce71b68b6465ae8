"""The WaveFT paper's weight-domain baseline: a few entries of each weight's update."""

from dataclasses import dataclass
from typing import ClassVar

from sparse_peft.methods.scattered import Scattered


@dataclass(frozen=True)
class SparseWeight(Scattered):
    """Each weight gains a sparse matrix: WaveFT without its wavelet."""

    name: ClassVar[str] = "sparse_weight"
    title: ClassVar[str] = "SHiRA as in the WaveFT paper"
    label: ClassVar[str] = "SparseW"
    family: ClassVar[str] = "shira"
    sentence: ClassVar[str] = (
        "Learns a few weights of each layer, picked by chance, and leaves all others as they are."
    )
    source: ClassVar[str] = (
        "Bilican et al., Exploring Sparsity for Parameter Efficient Fine Tuning Using Wavelets, "
        "2025, arXiv:2505.12532; code: Bilican/Sparse_PEFT@a2f5e61, huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True
    unit: ClassVar[str] = "entry"

    coefficients: int = 2592
    """Trainable entries of each weight; all of them where a weight has fewer."""
    scaling: float = 25.0
    """Multiplies the update; it does not depend on how many entries there are."""
    random_loc_seed: int = 777
    """Seed of the places of the entries; weights of equal shape share their places."""
    per_layer_seed: bool = False
    """Whether each weight has places of its own instead; PEFT alone does not open such files."""
    proportional: bool = False
    """Whether large weights get more entries than small ones, at the same total."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values; 1e-4 is that of the official trainer."""
