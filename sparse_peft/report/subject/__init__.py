"""The page of one subject: its pictures side by side, and what they say in numbers and words."""
