"""What a draft amounts to before it is started: sizes, time and memory."""
