"""Comparisons there are: whose, what they are called, how they stand, what can be taken away."""
