"""Tests of the cloud alone, whose own host has no GPU."""
