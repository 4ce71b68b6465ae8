"""The first step for one subject."""
