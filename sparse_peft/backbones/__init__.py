"""Frozen pretrained models: where they come from, how they encode, predict, sample and judge."""
