"""Which of NVIDIA's cards is which in Fabric Manager."""

from __future__ import annotations

from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import numerals
from nova_gpuvirt.vendors import fabric_manager
from nova_gpuvirt.vendors import nvidia_output


class GpuModules:
    """The number of each card in Fabric Manager.

    Fabric Manager names the cards that NVIDIA's driver has by UUID and
    address, and nvidia-smi their Module Id, which is that number from H100
    on. Neither changes, so each is asked once, and remembered for when a
    guest has the card.

    :param given: what the operator says instead
    """

    def __init__(
        self, run: commands.Run, given: Mapping[model.PciAddress, int]
    ) -> None:
        self._run = run
        self._modules = dict(given)
        self._uuids: dict[str, model.PciAddress] = {}
        # Those that Fabric Manager has named itself, by its number.
        self._told: dict[int, model.PciAddress] = {}
        self._failures: dict[model.PciAddress, str] = {}

    def learn(
        self,
        address: model.PciAddress,
        driver: str | None,
        *,
        by_module: bool = True,
    ) -> None:
        """Ask about a card that is not known yet.

        :param by_module: whether Fabric Manager's number is the Module Id
        """
        if address in self._modules or address in self._told.values():
            return
        if not by_module and address in self._uuids.values():
            return
        if driver != 'nvidia':
            self._failures[address] = (
                f'its driver is {driver or "none"}, so its number in Fabric '
                'Manager is not known: name it in [gpuvirt]gpu_modules'
            )
            return
        try:
            text = self._run(('nvidia-smi', '-q', '-i', str(address)))
        except commands.CommandFailed as error:
            self._failures[address] = f'its Module Id is not known: {error}'
            return
        settings = {
            k.lower(): v for k, v in nvidia_output.settings(text).items()
        }
        if 'gpu uuid' in settings:
            self._uuids[settings['gpu uuid']] = address
        if not by_module:
            self._failures[address] = (
                'Fabric Manager has not named it yet, and its number there is '
                'not its Module Id: name that number in [gpuvirt]gpu_modules'
            )
            return
        module = numerals.decimal(settings.get('module id'))
        if module is None:
            self._failures[address] = 'nvidia-smi tells no Module Id of it'
            return
        self._modules[address] = module
        self._failures.pop(address, None)

    def why_not(self, address: model.PciAddress) -> str | None:
        """Tell why a card's place is not known, if it isn't."""
        if address in self._modules or address in self._told.values():
            return None
        return self._failures.get(address, 'nvidia-smi was not asked yet')

    def card(self, member: fabric_manager.Member) -> model.PciAddress | None:
        """Tell which card is a GPU of Fabric Manager's.

        Two cards with one number are both unknown.
        """
        told = member.address or self._uuids.get(member.uuid or '')
        if told is not None:
            self._told[member.module] = told
        if member.module in self._told:
            return self._told[member.module]
        found = [a for a, m in self._modules.items() if m == member.module]
        return found[0] if len(found) == 1 else None
