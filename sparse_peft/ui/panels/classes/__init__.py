"""The parts of the page of the few-shot task; each gives HTML, and data for its scripts."""
