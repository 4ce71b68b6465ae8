"""The mathematics of WaveFT: one-level wavelets, from their filters to products with an update."""
