"""Runs: one piece of heavy work each, done once, in one directory, by one worker."""
