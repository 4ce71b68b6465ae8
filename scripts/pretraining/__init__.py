"""The pieces that `scripts/pretrain_builtin.py` trains the built-in backbone from."""
