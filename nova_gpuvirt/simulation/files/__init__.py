"""Files that refuse what the kernel refuses."""
