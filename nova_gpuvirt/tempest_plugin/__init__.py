"""Tests of a cloud with GPUs, through its public APIs, for tempest."""
