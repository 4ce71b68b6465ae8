"""The page of the few-shot task: what its parts need and what their clicks do."""
