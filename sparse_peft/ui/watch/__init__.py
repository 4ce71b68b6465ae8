"""What is at work or waits at this moment, and how long it will still take."""
