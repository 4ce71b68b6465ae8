"""Pictures of strangers made clean: decoded in a process with hard limits, stripped, measured."""
