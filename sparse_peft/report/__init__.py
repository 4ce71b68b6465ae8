"""What a comparison looks like: one picture, one offline page, and the marks and words of both."""
