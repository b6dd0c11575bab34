"""The ways for a guest to get a GPU, one module each.

A new one is a module with a subclass of `base.Backend`, and its line here.
"""

from nova_gpuvirt import model
from nova_gpuvirt.backends import api_forwarding
from nova_gpuvirt.backends import base
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.backends import passthrough
from nova_gpuvirt.backends import sriov
from nova_gpuvirt.backends import vendor_vfio

BACKENDS: tuple[type[base.Backend], ...] = (
    passthrough.Passthrough,
    mdev.Mdev,
    vendor_vfio.VendorVfio,
    sriov.Sriov,
    api_forwarding.ApiForwarding,
)
# Beside them, several whole cards can go to a guest as one.
KINDS: tuple[str, ...] = (*(backend.kind for backend in BACKENDS), model.SET)
