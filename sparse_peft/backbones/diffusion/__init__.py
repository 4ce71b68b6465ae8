"""Text-to-image backbones: pipelines of diffusers, taken apart for training and for sampling."""
