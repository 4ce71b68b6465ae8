"""What runs left behind, as numbers: generated pictures of a subject, or answers about classes."""

from sparse_peft.measure.subject import (
    METRICS,
    Drawn,
    anchors,
    base_metrics,
    nothing_learned,
    run_metrics,
    way,
)

__all__ = [
    "METRICS",
    "Drawn",
    "anchors",
    "base_metrics",
    "nothing_learned",
    "run_metrics",
    "way",
]
