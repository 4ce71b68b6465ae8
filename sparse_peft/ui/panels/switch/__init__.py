"""The switch between the two tasks."""
