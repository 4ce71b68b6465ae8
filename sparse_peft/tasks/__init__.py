"""What is learned and how it is judged, and the kinds of run that do it."""
