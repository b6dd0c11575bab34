"""The ways for a guest to get a GPU, one module each.

A new one is a module with a subclass of `base.Backend`, and its line here.
"""

from nova_gpuvirt.backends import base
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.backends import passthrough

BACKENDS: tuple[type[base.Backend], ...] = (
    passthrough.Passthrough,
    mdev.Mdev,
)
