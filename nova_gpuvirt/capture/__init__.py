"""What discovery reads of a host, taken away as one file."""
