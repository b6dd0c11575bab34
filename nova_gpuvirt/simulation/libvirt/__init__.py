"""The libvirt of a simulated host."""
