"""Kernels that compute what `sparse_peft.maths` can, faster, where their compiler is installed."""
