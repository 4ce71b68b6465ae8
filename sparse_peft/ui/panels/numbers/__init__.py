"""The numbers of the Compare tab."""
