"""What each side has of this host's GPUs, read, compared and put right."""
