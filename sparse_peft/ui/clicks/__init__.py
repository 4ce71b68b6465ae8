"""What clicks ask for, what they do, and what the page does after them."""
