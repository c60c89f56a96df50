"""Real clients, unchanged, against a running site: `make clients`."""
