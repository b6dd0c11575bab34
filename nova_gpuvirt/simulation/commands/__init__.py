"""The vendors' commands of a simulated host."""
