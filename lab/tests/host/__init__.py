"""Tests of the virtual GPU host, which has joined the cloud."""
