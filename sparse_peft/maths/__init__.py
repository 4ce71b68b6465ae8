"""Pure functions, each fast one beside its slow plain twin."""
