"""The header of every tab."""
