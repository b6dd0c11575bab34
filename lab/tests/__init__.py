"""Tests on the running cloud, through its public APIs alone."""
