"""What one vendor's driver or command says."""
