"""The GPU layer for OpenStack Nova."""
