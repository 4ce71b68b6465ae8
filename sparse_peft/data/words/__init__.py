"""Words that a person writes: captions, prompts, and what the subject is called."""
