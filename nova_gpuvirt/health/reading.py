"""Read what a card's files and its vendor's command say of its health.

What can't be read is not taken for a sign, and not for the lack of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.health import aer
from nova_gpuvirt.health import signs
from nova_gpuvirt.host import answers
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import vfio
from nova_gpuvirt.vendors import nvidia_health

# As fresh as backends want what they ask NVIDIA's command.
_FRESH = 600.0
_NODES = 'dev/vfio'


class Reader:
    """Who reads the cards of one host, and what could be read of each."""

    def __init__(self, machine: machine_.Machine) -> None:
        self._machine = machine
        self._sysfs = machine.sysfs
        # Whether each question about a card had an answer once.
        self._answered: set[tuple[model.PciAddress, str]] = set()

    def read(self, gpu: model.Gpu) -> tuple[signs.Reading, bool]:
        """Read a card that is on PCI.

        :returns: also whether all that has answered before has answered now
        """
        function = gpu.function
        assert function is not None, gpu
        address = function.address
        if not self._sysfs.has(address, 'class'):
            self.forget(address)
            return signs.Reading(is_there=False), True
        all_ones = self._sysfs.is_off_the_bus(address)
        whole = self._heard(address, 'config', all_ones is not None)
        errors = aer.read(self._sysfs, address, function.above)
        whole &= self._heard(address, 'errors', bool(errors))
        vendor = None
        if gpu.is_nvidia and function.driver == 'nvidia' and not all_ones:
            vendor = self._of_nvidia(address)
            whole &= self._heard(address, 'vendor', vendor is not None)
        return (
            signs.Reading(
                all_ones=all_ones,
                errors=errors,
                without_node=tuple(self._without_node(gpu)),
                vendor=vendor,
            ),
            whole,
        )

    def forget(self, address: model.PciAddress) -> None:
        """Take the next answers about a card for the first."""
        self._answered = {k for k in self._answered if k[0] != address}

    def _heard(
        self, address: model.PciAddress, question: str, answers: bool
    ) -> bool:
        """Tell whether a question has an answer, or never had one."""
        if answers:
            self._answered.add((address, question))
        return answers or (address, question) not in self._answered

    def _without_node(self, gpu: model.Gpu) -> Iterator[str]:
        """List the functions that VFIO has and no process can open.

        libvirt opens the node of the group, or that of the device (kernel
        Documentation/driver-api/vfio.rst). Where there is none at all, as in
        some containers, it can't be told.
        """
        root = self._sysfs.root
        if not root.exists(f'{_NODES}/vfio'):
            return
        for function in gpu.functions:
            if (
                not vfio.is_driver(function.driver)
                or function.iommu_group is None
            ):
                continue
            folder = f'sys/bus/pci/devices/{function.address}/vfio-dev'
            names = root.names_if_there(folder)
            nodes = [f'{_NODES}/devices/{name}' for name in names]
            nodes.append(f'{_NODES}/{function.iommu_group}')
            if not any(map(root.exists, nodes)):
                yield str(function.address)

    def _of_nvidia(
        self, address: model.PciAddress
    ) -> nvidia_health.Health | None:
        """Tell what NVIDIA's command said last, or says now.

        It is asked anew as long as it complains, or does not answer any more.
        """
        argv = ('nvidia-smi', '-q', '-i', str(address))
        answer = self._machine.answers.last(argv, _FRESH)
        if answer is not None:
            said = _said(answer)
            if said is None and (address, 'vendor') not in self._answered:
                return None
            if said is not None and said.is_well:
                return said
        try:
            return nvidia_health.parse(self._machine.ask(argv))
        except commands.CommandMissing:
            self._answered.discard((address, 'vendor'))
            return None
        except commands.CommandFailed as error:
            return nvidia_health.of_failure(error)


def _said(answer: answers.Answer) -> nvidia_health.Health | None:
    if answer.failure is not None:
        return nvidia_health.of_failure(answer.failure)
    return nvidia_health.parse(answer.text)
