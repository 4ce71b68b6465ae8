"""The pieces that `scripts/write_api.py` writes its pages with."""
