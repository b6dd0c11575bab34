"""The drivers of a simulated host's cards."""
