"""The head of the Compare tab."""
