"""Vision backbones of timm: where one comes from, what it is made of, how it encodes."""
