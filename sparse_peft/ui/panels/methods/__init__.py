"""The second step: preset, budget and methods."""
