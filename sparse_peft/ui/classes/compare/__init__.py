"""What the Compare tab of the few-shot task reads, and what its clicks do."""
