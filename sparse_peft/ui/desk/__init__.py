"""What lies on one person's desk before anything is started: drafts, pictures, backbones."""
