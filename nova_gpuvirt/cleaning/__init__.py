"""What a guest had, made clean for the next one."""
