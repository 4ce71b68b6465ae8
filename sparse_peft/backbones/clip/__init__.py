"""CLIPs: where one comes from, what it is made of, how it encodes and is taken apart."""
