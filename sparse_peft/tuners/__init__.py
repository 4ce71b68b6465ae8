"""The heavy half of the methods: layers, optimizers and attachments."""
