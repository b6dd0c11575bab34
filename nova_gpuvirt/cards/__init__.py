"""What a host's cards are, and what is left of them."""
