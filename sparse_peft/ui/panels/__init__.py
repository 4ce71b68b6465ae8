"""What the page shows, a folder for each board: HTML out of a desk, and scripts beside it."""
