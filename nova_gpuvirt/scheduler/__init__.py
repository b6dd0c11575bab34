"""What Nova's scheduler loads of ours: a filter and a weigher."""
