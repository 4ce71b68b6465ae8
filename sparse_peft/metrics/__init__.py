"""Features in, floats out: what pictures show, how sure that is, and who wins pair by pair."""
