"""Nova's compute side of ours."""
