"""A comparison of any task as one dictionary, one picture and one page."""

from sparse_peft.compare.assembled import FORMAT, assemble
from sparse_peft.compare.folder import check_out, write

__all__ = ["FORMAT", "assemble", "check_out", "write"]
