"""What proves nova-gpuvirt beyond its tests: clouds, hosts and guests.

Nothing here is installed; it is run from a clone.
"""
