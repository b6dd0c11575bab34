"""What is taken for true of hardware, and how a real card proves it."""
