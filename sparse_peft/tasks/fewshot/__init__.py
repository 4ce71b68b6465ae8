"""Few-shot classes: teach a CLIP to tell some classes apart from a few pictures of each."""
