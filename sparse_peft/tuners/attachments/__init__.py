"""What the training loop gets of a method: adapters, or weights, at work in the components."""
