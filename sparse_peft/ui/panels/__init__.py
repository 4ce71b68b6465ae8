"""What the page shows, a file for each part: HTML out of a desk, and a script beside it."""
