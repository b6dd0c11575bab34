"""Whether a host is fit for what its GPUs are for, line by line."""
