"""An OpenStack on this machine alone: all services, one process each."""
