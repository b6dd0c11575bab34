"""What is read of the machine, and done to it."""
