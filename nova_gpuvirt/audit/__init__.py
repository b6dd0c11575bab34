"""Whether all who know of GPUs say the same of them. Pure."""
