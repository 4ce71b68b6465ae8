"""What a report draws as SVG: a scatter, lines of losses, bars with dots."""
