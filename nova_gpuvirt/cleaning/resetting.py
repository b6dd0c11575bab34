"""The PCI functions that a guest had: reset, and read back.

Each is moved to vfio-pci, so that no driver of the host is surprised; reset
by the kernel, alone or with its bus; compared with what it was before the
guest had it; and given back to the driver that it had then. One whose reset
failed stays with vfio-pci: its driver might hang with it.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import in_use
from nova_gpuvirt.cards import resets
from nova_gpuvirt.cleaning import vfs
from nova_gpuvirt.health import aer
from nova_gpuvirt.health import footprint
from nova_gpuvirt.health import record
from nova_gpuvirt.host import bounded
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import vfio

LOG = logging.getLogger(__name__)

# How long libvirt may take to move a function from one driver to another: a
# driver's probe of a large card takes seconds.
_SECONDS = 120.0
# What a kernel answers whose VFIO has no containers, which a reset of a bus
# needs.
_NO_VFIO = frozenset({errno.ENOENT, errno.ENODEV})
_REMEDY = (
    "see the kernel's log; try `nova-gpuvirt release` when it is well, and "
    'reboot the host where it stays'
)


class Resetting:
    """The resets of a host's functions, after guests had them."""

    def __init__(self, machine: machine_.Machine) -> None:
        self._machine = machine
        self._sysfs = machine.sysfs
        self._hypervisor = machine.hypervisor

    def reset(
        self,
        functions: Sequence[model.PciFunction],
        before: Collection[record.Function],
    ) -> None:
        """Reset functions of one card that nobody has, and read them back.

        :param before: what they were before the guest had them
        :raises ReleaseFailed: when somebody has one still
        :raises CleanFailed: when they are not what they were
        """
        was = {one.address: one for one in before}
        drivers = {
            f.address: one.driver
            if (one := was.get(str(f.address)))
            else self._driver(f.address)
            for f in functions
        }
        self._hold_unused(functions)
        for function in functions:
            self._move_to_vfio(function.address)
        errors = [self._errors(function) for function in functions]
        self._reset(functions)
        for function, earlier in zip(functions, errors, strict=True):
            self._read_back(function, was.get(str(function.address)), earlier)
        for function in functions:
            self._give_back(function.address, drivers[function.address])

    def check_unused(self, functions: Sequence[model.PciFunction]) -> None:
        """Make sure that nobody has functions open, and keep nobody off.

        :raises ReleaseFailed: when somebody has one
        """
        self._hold_unused(functions)
        self._let_go(functions)

    def _hold_unused(self, functions: Sequence[model.PciFunction]) -> None:
        """Make sure that nobody has functions open, nor opens NVIDIA's.

        Nobody has their VFs either.

        :raises ReleaseFailed: when somebody has one; all can be opened then
        """
        for function in functions:
            vfs.check_unused(self._machine, function.address)
        try:
            for function in functions:
                self._hold_if_unused(function.address)
        except exception.ReleaseFailed:
            self._let_go(functions)
            raise

    def _let_go(self, functions: Sequence[model.PciFunction]) -> None:
        """Give NVIDIA's locks back, where its driver has the card still."""
        for function in functions:
            try:
                self._sysfs.hold_unbind_lock(function.address, wanted=False)
            except OSError as error:
                LOG.warning(
                    'The unbindLock of %s could not be given back, so '
                    'nothing on the host may open the card: %s',
                    *(function.address, error),
                )

    def _hold_if_unused(self, function: model.PciAddress) -> None:
        """Make sure that neither a guest nor the host has a function open.

        :raises ReleaseFailed: when one has it
        """
        try:
            if vfio.is_driver(self._driver(function)):
                opener = self._machine.opener(function, ours=True)
            else:
                guest = self._hypervisor.guest_with(function)
                opener = guest and f'the running guest {guest}'
                opener = opener or self._opener_on_the_host(function)
        except OSError as error:
            opener = f'who can not be seen ({error})'
        if opener is not None:
            raise exception.ReleaseFailed(
                str(function),
                wanted='to reset it for the next guest',
                found=f'that {opener} has it',
                remedy='it is reset when that has ended',
            )

    def _opener_on_the_host(self, function: model.PciAddress) -> str | None:
        """Tell which process has a card open through its own driver.

        NVIDIA's driver lets a card go only then, and waits without end else.
        Its lock keeps others from opening the card from here on.
        """
        is_locked = self._sysfs.hold_unbind_lock(function, wanted=True)
        if is_locked:
            return None
        openers = self._sysfs.card_openers([function])[function]
        return in_use.keeping(openers, is_locked)

    def _move_to_vfio(self, function: model.PciAddress) -> None:
        if vfio.is_driver(self._driver(function)):
            return
        self._in_time(
            function,
            'libvirt to move it to vfio-pci',
            lambda: self._hypervisor.detach(function),
        )
        if not vfio.is_driver(self._driver(function)):
            raise _failed(
                function,
                'it with vfio-pci, to be reset',
                f'it with {self._driver(function) or "no driver"}',
            )

    def _reset(self, functions: Sequence[model.PciFunction]) -> None:
        """Reset functions, each by itself, or all with their bus."""
        alone = [f for f in functions if resets.is_alone(self._sysfs, f)]
        card = functions[0]
        if len(alone) < len(functions) and (
            card not in alone or resets.is_bus_theirs(self._sysfs, functions)
        ):
            try:
                self._sysfs.reset_bus([f.address for f in functions])
            except OSError as error:
                if card not in alone or error.errno not in _NO_VFIO:
                    raise _not_reset(card, error) from error
                LOG.warning(
                    '%s has functions that can not be reset alone, and its '
                    'bus can not be reset: %s',
                    *(card.address, error),
                )
            else:
                return
        for function in alone:
            try:
                self._sysfs.reset_function(function.address)
            except OSError as error:
                raise _not_reset(function, error) from error

    def _read_back(
        self,
        function: model.PciFunction,
        before: record.Function | None,
        errors: Mapping[aer.Counter, int],
    ) -> None:
        """Make sure that a function is what it was."""
        address = function.address
        now = footprint.read(self._sysfs, address)
        if now is None:
            raise _failed(
                address,
                'to read it after its reset',
                'that its configuration space does not answer, or with '
                'nothing but ones',
            )
        differences = (
            footprint.differences(before.config, now)
            if before is not None and before.config is not None
            else ()
        )
        if differences:
            raise _failed(
                address, 'it as before the guest', '; '.join(differences)
            )
        for counter, count in self._errors(function).items():
            more = count - errors.get(counter, count)
            if more > 0:
                raise _failed(
                    address,
                    'no error while it was reset',
                    f'that {counter.of} counted {more} more PCIe errors',
                )

    def _errors(
        self, function: model.PciFunction
    ) -> Mapping[aer.Counter, int]:
        """Read what was counted; a VF's port counts what others do, too."""
        is_vf = function.physfn is not None
        above = () if is_vf else function.above
        return aer.read(self._sysfs, function.address, above)

    def _give_back(
        self, function: model.PciAddress, driver: str | None
    ) -> None:
        """Give a function to the driver that it had before the guest."""
        if vfio.is_driver(driver):
            return
        self._in_time(
            function,
            f'libvirt to give it back to {driver or "no driver"}',
            lambda: self._hypervisor.reattach(function),
        )
        now = self._driver(function)
        if driver is not None and now != driver:
            raise _failed(
                function,
                f'{driver} to take it again',
                f'it with {now or "no driver"}',
            )

    def _in_time(
        self,
        function: model.PciAddress,
        wanted: str,
        call: Callable[[], None],
    ) -> None:
        try:
            bounded.in_time(call, _SECONDS)
        except (exception.ReleaseFailed, TimeoutError) as error:
            found = getattr(error, 'found', str(error))
            raise _failed(function, wanted, found) from error

    def _driver(self, function: model.PciAddress) -> str | None:
        return self._sysfs.link(function, 'driver')


def _not_reset(
    function: model.PciFunction, error: OSError
) -> exception.CleanFailed:
    return _failed(function.address, 'it reset', f'that {error}')


def _failed(
    function: model.PciAddress, wanted: str, found: str
) -> exception.CleanFailed:
    return exception.CleanFailed(
        str(function), wanted=wanted, found=found, remedy=_REMEDY
    )
