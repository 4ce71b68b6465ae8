"""Measurements side by side, each beside its goal; `make bench` runs them all."""
