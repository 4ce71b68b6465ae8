"""The pictures of the Compare tab."""
