"""One subject, taught to a text-to-image backbone: prepare, train and generate."""
