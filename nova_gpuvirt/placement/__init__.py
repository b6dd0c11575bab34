"""What Placement is told of each card. Pure."""
