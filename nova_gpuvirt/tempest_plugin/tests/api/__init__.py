"""Tests through the APIs of Nova and Placement."""
