"""How the 11 published data sets lie on a disk: where CoOp's DATASETS.md puts each file."""
