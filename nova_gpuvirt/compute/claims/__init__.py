"""What instances have claimed here, and whether they may."""
