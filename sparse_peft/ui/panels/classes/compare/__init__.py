"""The Compare tab where it is about classes."""
