"""The server around the page: who and what is let in, our own URLs, and a runner beside it."""
