"""Read what a host's kernel says of its PCI functions.

Only what is named here is ever read: some vendors' files act when they are
read (`reset_gpu` of AMD's gim resets the card), so nothing is globbed.

The formats are those of the kernel's Documentation/ABI/testing/sysfs-bus-pci
and sysfs-bus-vfio-mdev, and of the drivers that are named beside them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import bounded
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import files
from nova_gpuvirt.host import mdevs
from nova_gpuvirt.host import numerals
from nova_gpuvirt.host import readable
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import unbind_lock

_ROOT_BUS = re.compile(r'pci[0-9a-f]{4,8}:[0-9a-f]{2}')
_ALL_ONES = b'\xff' * 4
_HEADER = 64
_CONFIG_SECONDS = 2.0
_DEVICES = 'sys/bus/pci/devices'


class Sysfs:
    """The kernel's view of a host, below any root.

    :param root: the folder that holds ``sys``, or the files of a host: ``/``
        is this machine, and a simulated one or a capture does as well
    :param rootly: who may do there what only root may; None where nothing
        can be changed
    :ivar root: the files of the host, for what is not of a function
    :ivar mdevs: the mdevs of the functions
    :ivar rootly: who may do what only root may
    """

    def __init__(
        self,
        root: files.Files | str | os.PathLike[str] = '/',
        rootly: rootonly.Rootly | None = None,
    ) -> None:
        self.root = (
            root if isinstance(root, files.Files) else files.OnDisk(root)
        )
        self.mdevs = mdevs.Mdevs(self.root)
        self.rootly = rootly
        self._config_reads = bounded.OneByOne()

    def addresses(self) -> tuple[model.PciAddress, ...]:
        """List every PCI function, in order of address."""
        return tuple(
            sorted(
                model.PciAddress.parse(name)
                for name in self.root.names_if_there(_DEVICES)
            )
        )

    def read(self, address: model.PciAddress, name: str) -> str:
        """Read a file of a function, without its last newline.

        :param name: relative to the function's directory
        :raises SysfsError: when the file can't be read
        :raises ValueError: for a file that is not on the list
        """
        readable.check(readable.FILES, name)
        try:
            return self.root.text(f'{_DEVICES}/{address}/{name}')
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(address, name, error) from error

    def read_if_there(
        self, address: model.PciAddress, name: str
    ) -> str | None:
        """Read a file that not every function has.

        :raises SysfsError: when the file is there and can't be read
        """
        return self.read(address, name) if self.has(address, name) else None

    def has(self, address: model.PciAddress, name: str) -> bool:
        """Tell whether a function has a file.

        :raises ValueError: for a file that is not on the list
        """
        readable.check(readable.FILES, name)
        return self.root.exists(f'{_DEVICES}/{address}/{name}')

    def can_be_written(self, address: model.PciAddress, name: str) -> bool:
        """Tell whether a function has a file that the driver takes writes of.

        :param name: one that can be read as well
        :raises ValueError: for a file that is not on the list
        """
        readable.check(readable.FILES, name)
        return self.root.can_be_written(f'{_DEVICES}/{address}/{name}')

    def has_reset(self, address: model.PciAddress) -> bool:
        """Tell whether the kernel would reset a function that is asked to.

        Only whether ``reset`` is there: writing to it resets.
        """
        return self.root.exists(f'{_DEVICES}/{address}/reset')

    def behind(self, bridge: str) -> tuple[model.PciAddress, ...]:
        """List the functions right behind a bridge: folders below its own.

        :param bridge: as `above` names it; a root bus has none
        """
        return self._functions_in(f'{_DEVICES}/{bridge}')

    def number(self, address: model.PciAddress, name: str) -> int:
        """Read a decimal number.

        :raises SysfsError: when the file can't be read or is no number
        """
        text = self.read(address, name)
        number = numerals.decimal(text)
        if number is None:
            raise exception.SysfsError(
                str(address),
                wanted=f'a number as {name}',
                found=repr(text),
                remedy="see what the card's driver says in the kernel log",
            )
        return number

    def read_rootonly(
        self, address: model.PciAddress, name: str
    ) -> str | None:
        """Read a file that only root may read, None where there is none.

        :param name: one of the list in `rootonly`
        :raises SysfsError: when it can't be read
        """
        try:
            try:
                return rootonly.read(self.root, address, name)
            except PermissionError:
                if self.rootly is None:
                    raise
                return self.rootly.read(str(address), name)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            if self.rootly is not None and rootonly.may_be_locked(name):
                return None
            raise exception.SysfsError(
                str(address),
                wanted=f'to read its {name}',
                found=str(error),
                remedy='run this as root',
            ) from error
        except OSError as error:
            raise _unreadable(address, name, error) from error

    def set_vgpu_type(self, vf: model.PciAddress, number: int) -> None:
        """Write the type of the vGPU that a VF of NVIDIA's is, 0 for none.

        :raises OSError: as the driver answers
        """
        self._may_change().set_vgpu_type(str(vf), number)

    def set_vgpu_place(
        self,
        device: model.PciAddress | uuid.UUID,
        gpu_instance: int | None,
        placement: int,
    ) -> None:
        """Move a vGPU of NVIDIA's within the memory of its card.

        :param device: the VF that it is, or its mdev
        :param gpu_instance: of MIG, another one; None to stay in its own
        :raises OSError: as the driver answers
        """
        self._may_change().set_vgpu_place(str(device), gpu_instance, placement)

    def openers(self, address: model.PciAddress) -> Sequence[int]:
        """List the processes that have a function open through VFIO.

        :raises OSError: when that can't be seen
        """
        return self._may_change().openers(str(address))

    def card_openers(
        self, cards: Sequence[model.PciAddress]
    ) -> dict[model.PciAddress, tuple[card_openers.Opener, ...] | None]:
        """List the processes that have cards open through their own driver.

        All processes of the host are looked at for it, so ask about many.

        :returns: None for a card where none is seen, and one could be that
            is not
        :raises OSError: when that can't be asked
        """
        rootly = self._may_change()
        found = rootly.card_openers([str(card) for card in cards], os.getpid())
        return {
            card: None
            if openers is None
            else tuple(card_openers.Opener(*opener) for opener in openers)
            for card, openers in zip(cards, found, strict=True)
        }

    def hold_unbind_lock(
        self, address: model.PciAddress, *, wanted: bool
    ) -> bool | None:
        """Ask for NVIDIA's lock of a card, or give it back.

        It is not even read here: the driver lets a reader wait without end,
        while it waits for a card that somebody opens (``ldata_lock`` of
        nv-procfs.c and nv.c). Who asks as root is waited for with a bound.

        :returns: whether it is held now, None for a card without one
        :raises OSError: when it can't be asked
        """
        if not unbind_lock.exists(self.root, address):
            return None
        return self._may_change().hold_unbind_lock(str(address), wanted)

    def config_space(self, address: model.PciAddress) -> bytes | None:
        """Read the configuration space that `host.config_space` parses.

        :returns: 4096 or 256 bytes where root may be asked, else the 64 that
            all may read; None where it can't be read
        """
        try:
            if self.rootly is not None:
                found = self.rootly.config_space(str(address))
            else:
                path = f'{_DEVICES}/{address}/config'
                found = self.root.read(path, _HEADER)
        except OSError:
            return None
        return found if len(found) >= _HEADER else None

    def reset_function(self, address: model.PciAddress) -> None:
        """Reset a function by itself; nobody is asked whether it is free.

        :raises OSError: as the kernel answers; ENOTTY where it can't be reset
            by itself, or did not come back
        """
        self._may_change().reset_function(str(address))

    def reset_bus(self, addresses: Sequence[model.PciAddress]) -> None:
        """Reset functions by their bus; all on it are with VFIO.

        :raises OSError: as the kernel answers: EINVAL or EPERM where one of
            another IOMMU group is on it, or one is not with VFIO, EBUSY while
            a guest has one
        """
        self._may_change().reset_bus([str(address) for address in addresses])

    def _may_change(self) -> rootonly.Rootly:
        if self.rootly is None:
            raise PermissionError(
                errno.EROFS, f'{self.root} is only looked at'
            )
        return self.rootly

    def names(self, address: model.PciAddress, folder: str) -> tuple[str, ...]:
        """List what a folder of a function holds; nothing without it.

        :raises ValueError: for a folder that is not on the list
        """
        readable.check(readable.FOLDERS, folder)
        return tuple(
            sorted(self.root.names_if_there(f'{_DEVICES}/{address}/{folder}'))
        )

    def render_nodes(self) -> dict[model.RenderNode, str]:
        """List the host's render nodes, each with the name of its device.

        The device is a PCI address, or another such as ``vgem``.
        """
        nodes = {}
        folder = 'sys/class/drm'
        for name in self.root.names_if_there(folder):
            if name.startswith('renderD'):
                # …/0000:00:02.0/drm/renderD128
                try:
                    path = self.root.target(f'{folder}/{name}')
                except OSError:  # its card was taken from the driver
                    continue
                nodes[model.RenderNode.parse(name)] = path.split('/')[-3]
        return nodes

    def is_off_the_bus(self, address: model.PciAddress) -> bool | None:
        """Tell whether a function answers with nothing but ones.

        The kernel keeps in its other files what it read first. Of a VF it
        tells nothing: the ids in its configuration space are all ones.

        While the kernel resets a function it lets nobody read that
        (``pci_wait_cfg`` of drivers/pci/access.c), for a minute or for good.

        :returns: None where that can't be read, or not in time
        """
        path = f'{_DEVICES}/{address}/config'
        try:
            start = self._config_reads.in_time(
                address,
                lambda: self.root.read(path, len(_ALL_ONES)),
                _CONFIG_SECONDS,
            )
        except OSError:  # a copy of a host need not have it
            return None
        return start == _ALL_ONES

    def link(self, address: model.PciAddress, name: str) -> str | None:
        """Name what a link of a function points to, None without the link.

        :raises ValueError: for a link that is not on the list
        """
        readable.check(readable.LINKS, name)
        return self.root.linked_name(f'{_DEVICES}/{address}/{name}')

    def above(self, address: model.PciAddress) -> tuple[str, ...]:
        """Name the root bus of a function, and the bridges on the way to it.

        Its link leads there:
        ``…/devices/pci0000:00/0000:00:01.0/0000:01:00.0``. A host bridge may
        stand below others, such as ``LNXSYSTM:00``.
        """
        try:
            path = self.root.target(f'{_DEVICES}/{address}')
        except OSError:  # it went away
            return ()
        parts = tuple(path.split('/')[:-1])
        first = next(
            (n for n, p in enumerate(parts) if _ROOT_BUS.fullmatch(p)), None
        )
        return () if first is None else parts[first:]

    def virtfns(
        self, address: model.PciAddress
    ) -> tuple[model.PciAddress, ...]:
        """List the VFs that a PF has enabled, in order of their number."""
        folder = f'{_DEVICES}/{address}'
        numbers = sorted(
            int(number)
            for name in self.root.names_if_there(folder)
            if name.startswith('virtfn')
            and (number := name.removeprefix('virtfn')).isdecimal()
        )
        targets = (
            self.root.linked_name(f'{folder}/virtfn{n}') for n in numbers
        )
        return tuple(model.PciAddress.parse(t) for t in targets if t)

    def group_members(self, group: int) -> tuple[model.PciAddress, ...]:
        """List the PCI functions of an IOMMU group."""
        return self._functions_in(f'sys/kernel/iommu_groups/{group}/devices')

    def _functions_in(self, folder: str) -> tuple[model.PciAddress, ...]:
        """List the PCI functions among what a folder holds."""
        found = []
        for name in self.root.names_if_there(folder):
            # Else it is a file, an mdev or a platform device.
            with contextlib.suppress(ValueError):
                found.append(model.PciAddress.parse(name))
        return tuple(sorted(found))

    def has_iommu(self) -> bool:
        """Tell whether the kernel uses an IOMMU.

        Groups alone don't tell: an mdev has one without any IOMMU.
        """
        return bool(self.root.names_if_there('sys/class/iommu'))


def _unreadable(
    address: model.PciAddress, name: str, error: Exception
) -> exception.SysfsError:
    return exception.SysfsError(
        str(address),
        wanted=f'to read its {name}',
        found=str(error),
        remedy='look for the card in the kernel log: it may have fallen off '
        'the bus',
    )
