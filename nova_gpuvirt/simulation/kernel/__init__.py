"""The kernel of a simulated host: its files, and what they do."""
