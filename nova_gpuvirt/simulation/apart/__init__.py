"""A nova-compute in a process of its own, which its host outlives.

It can be killed, as an operator's can. The host's kernel and libvirt, the
control plane and Placement are in the process that has started it, and each
of its calls comes over a socket: so what it does to the world is counted
there, by code that knows nothing of it.
"""
