"""What a few-shot comparison looks like: its page, its charts and its table of predictions."""
