"""A person's pictures, captions and prompts, checked before anything trains on them."""
