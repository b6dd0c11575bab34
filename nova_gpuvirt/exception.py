"""The errors of nova-gpuvirt.

::

    GpuvirtError
     ├── SysfsError         a file of sysfs is missing, unreadable or nonsense
     ├── InvalidOption      an option of the operator cannot be followed
     ├── InvalidLayout      a layout file says what can't be
     ├── InvalidCapture     a file is no capture of a host, or makes no sense
     │    └── NotCaptured   a capture does not hold what is asked of it
     ├── InvalidRecord      what is remembered of a card can't be gone by
     ├── Locked             another program has the host's GPUs for itself
     ├── ClaimRefused       an instance's claims do not hold on this host
     ├── RequestImpossible  no host can give what a flavor or image asks for
     ├── PrepareFailed      a device could not be made ready for a guest
     │    └── NotClean      another guest's state may still be in it
     ├── ReleaseFailed      a device could not be taken back
     ├── CleanFailed        what a guest had could not be cleaned
     └── StepFailed         a card could not be made what a layout says

Each message is one sentence that names the device, what was wanted, what was
found, and what to do about it. It is the operator's: it goes to the log. What
the owner of a server may read is `told`.
"""

ELSEWHERE = (
    'Nova tries another host where it still can; else migrate the instance, '
    'or rebuild it elsewhere'
)
"""What to do about an instance that this host can't have."""


class GpuvirtError(Exception):
    """Name a device, what was wanted of it, what was found, what to do.

    :ivar without_remedy: the message without what to do, which is beside it
    :ivar told: the same for the owner of a server: without addresses, and
        without other servers
    """

    told = (
        'a GPU of the host can not be used as it should; the log of '
        'nova-compute says why'
    )

    def __init__(
        self, device: str, *, wanted: str, found: str, remedy: str
    ) -> None:
        self.without_remedy = f'{device}: wanted {wanted}, found {found}'
        super().__init__(f'{self.without_remedy}; {remedy}')
        self.device = device
        self.wanted = wanted
        self.found = found
        self.remedy = remedy


class SysfsError(GpuvirtError):
    """A file of sysfs is missing, unreadable or nonsense."""


class InvalidOption(GpuvirtError):
    """An option of the operator cannot be followed."""


class InvalidLayout(GpuvirtError):
    """A layout file says what can't be."""


class InvalidCapture(GpuvirtError):
    """A file is no capture of a host, or makes no sense."""


class NotCaptured(InvalidCapture):
    """A capture does not hold what is asked of it."""


class InvalidRecord(GpuvirtError):
    """What is remembered of a card can't be gone by."""


class Locked(GpuvirtError):
    """Another program has the host's GPUs for itself."""


class ClaimRefused(GpuvirtError):
    """An instance's claims do not hold on this host."""

    told = (
        'the GPUs of this server are not complete, not those that it was '
        'given, or not its own alone, on this host; the log of nova-compute '
        'says which'
    )


class RequestImpossible(GpuvirtError):
    """No host can give what a flavor or an image asks for.

    :param told: why, in the words of flavor and image
    """

    def __init__(
        self, device: str, *, wanted: str, found: str, remedy: str
    ) -> None:
        super().__init__(device, wanted=wanted, found=found, remedy=remedy)
        self.told = f'wanted {wanted}, found {found}; {remedy}'


class PrepareFailed(GpuvirtError):
    """A device could not be made ready for a guest."""

    told = (
        'a GPU of this server could not be made ready on this host; the log '
        'of nova-compute says why'
    )


class NotClean(PrepareFailed):
    """Another guest's state may still be in a device, which is cleaned."""


class ReleaseFailed(GpuvirtError):
    """A device could not be taken back."""


class CleanFailed(GpuvirtError):
    """What a guest had could not be cleaned for the next one."""


class StepFailed(GpuvirtError):
    """A card could not be made what a layout says."""
