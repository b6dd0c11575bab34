"""The errors of nova-gpuvirt.

::

    GpuvirtError
     ├── SysfsError        a file of sysfs is missing, unreadable or nonsense
     ├── InvalidOption     an option of the operator cannot be followed
     ├── ClaimRefused      an instance's claims do not hold on this host
     ├── PrepareFailed     a device could not be made ready for a guest
     └── ReleaseFailed     a device could not be taken back

Each message is one sentence that names the device, what was wanted, what was
found, and what to do about it.
"""


class GpuvirtError(Exception):
    """Name a device, what was wanted of it, what was found, what to do."""

    def __init__(
        self, device: str, *, wanted: str, found: str, remedy: str
    ) -> None:
        super().__init__(f'{device}: wanted {wanted}, found {found}; {remedy}')
        self.device = device
        self.wanted = wanted
        self.found = found
        self.remedy = remedy


class SysfsError(GpuvirtError):
    """A file of sysfs is missing, unreadable or nonsense."""


class InvalidOption(GpuvirtError):
    """An option of the operator cannot be followed."""


class ClaimRefused(GpuvirtError):
    """An instance's claims do not hold on this host."""


class PrepareFailed(GpuvirtError):
    """A device could not be made ready for a guest."""


class ReleaseFailed(GpuvirtError):
    """A device could not be taken back."""
