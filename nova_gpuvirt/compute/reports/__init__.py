"""What a host tells Placement and the scheduler of its cards."""
