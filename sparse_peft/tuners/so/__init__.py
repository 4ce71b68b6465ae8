"""SO: a sparse Adam on the weights themselves, fed by gradients that are sampled where it looks."""
