"""The run strip of every tab."""
