"""A person's classes, opened safely: a folder of class folders, a ZIP of one, or a table."""
