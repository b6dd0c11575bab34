"""nova-compute is killed at each step of what it does, and nothing is lost."""
