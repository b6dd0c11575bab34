"""What `tempest run` finds."""
