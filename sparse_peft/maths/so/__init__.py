"""The mathematics of SO: which entries are sampled, and what Adam makes of them."""
