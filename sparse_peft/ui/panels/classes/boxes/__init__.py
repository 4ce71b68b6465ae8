"""The first step for classes."""
