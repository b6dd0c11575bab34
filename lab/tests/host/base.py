"""What the tests of the virtual GPU host have in common."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from lab import exception
from lab.tests import base
from lab.tests.host import hardware

HOST = 'gpu-host'
INFIX = f'{HOST}_gpuvirt_'
_MIB = 256
# QEMU's emulation of nested virtualisation fails so now and then.
_EMULATION_FAILED = 'KVM internal error'


class HostTestCase(base.CloudTestCase):
    """A test after which the host's hardware is as it was before."""

    status_seconds = 300
    ready_seconds = 240
    # Each answer takes the VM a second of its own.
    pause = 3.0

    def flavor(self, **specs: str) -> str:
        """Make a flavor, and say its name."""
        compute = self.api.compute
        flavor = compute.create_flavor(
            name=f'lab-{uuid.uuid4()}', ram=_MIB, vcpus=1, disk=1
        )
        self.addCleanup(compute.delete_flavor, flavor)
        if specs:
            compute.create_flavor_extra_specs(flavor, specs)
        return str(flavor.name)

    def functions(self, server: Any) -> dict[str, tuple[str, str]]:
        """Wait for the guest's word; start it again where QEMU failed it."""
        try:
            return super().functions(server)
        except exception.NotReady:
            domain = self.api.compute.get_server(server).instance_name
            if _EMULATION_FAILED not in hardware.log_of(domain):
                raise
        print(f'{domain}: {_EMULATION_FAILED}, as TCG has it; once more')
        self.api.compute.reboot_server(server, 'HARD')
        self.wait_for(server, 'ACTIVE')
        return super().functions(server)

    def seen(self, server: Any) -> Counter[tuple[str, str]]:
        """Count the functions that a guest sees, by ids and class."""
        return Counter(self.functions(server).values())

    def providers(self) -> dict[str, str]:
        """Find the UUIDs of the host's GPUs in Placement, by address."""
        return {
            provider.name.removeprefix(INFIX): provider.id
            for provider in self.api.placement.resource_providers()
            if provider.name.startswith(INFIX)
        }

    def of_provider(self, provider: str, what: str) -> Any:
        """Read the inventories, traits or usages of a provider."""
        answer = self.api.placement.get(
            f'/resource_providers/{provider}/{what}'
        )
        return answer.json()[what]

    def left(self) -> dict[str, dict[str, int]]:
        """Count what can be had of each GPU, class by class."""
        left = {}
        for address, provider in self.providers().items():
            usages = self.of_provider(provider, 'usages')
            left[address] = {
                class_: one['total'] - one['reserved'] - usages[class_]
                for class_, one in self.of_provider(
                    provider, 'inventories'
                ).items()
            }
        return left
