"""The list of all comparisons of a person."""
