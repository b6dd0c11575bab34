"""Fill a host with guests that have vGPUs, without booting each."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

from benchmarks import cloud  # isort: skip (Nova's harness has to be first)

from lxml import etree
from nova import context as nova_context
from nova import objects

from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu

_COPIED = (
    *('user_id', 'project_id', 'host', 'node', 'compute_id', 'image_ref'),
    *('vm_state', 'power_state', 'flavor', 'instance_type_id', 'launched_at'),
    *('memory_mb', 'vcpus', 'root_gb', 'ephemeral_gb', 'system_metadata'),
)


class Guests:
    """The guests of a host, each a copy of a server that was booted there.

    What Nova and libvirt keep of a guest is there: the instance with its
    claim, the running domain, the mdev. Its allocation in Placement is not,
    which no host ever reads to claim.

    :param server: it has one mdev of a card
    """

    def __init__(
        self, bench: cloud.Cloud, host: str, server: dict[str, Any]
    ) -> None:
        self._bench = bench
        self._host = host
        self._context = nova_context.get_admin_context()
        self._instance = objects.Instance.get_by_uuid(
            self._context,
            server['id'],
            expected_attrs=['flavor', 'resources', 'system_metadata'],
        )
        self._guest = etree.tostring(bench.guest(host, server))
        self._profile = next(
            p
            for gpu in bench.survey(host).gpus
            for p in gpu.profiles
            if p.slug == self._slot_of_server().profile
        )
        self._free = self._free_slots()
        self.count = 1

    def grow(self, count: int) -> None:
        """Have so many guests, and let Nova's tracker know all of them."""
        for _ in range(count - self.count):
            self._add(*next(self._free))
        self.count = count
        self._bench.run_periodic(self._host)

    def make_mdev(self, card: model.Device, name: uuid.UUID) -> None:
        """Make an mdev of the guests' profile on a card."""
        self._bench.simulated[self._host].write(
            f'/sys/bus/pci/devices/{card}/mdev_supported_types/'
            f'{self._profile.type_id}/create',
            str(name),
        )

    @property
    def type_id(self) -> str:
        """The mdev type of all guests."""
        return self._profile.type_id

    @functools.cached_property
    def cards(self) -> list[model.PciAddress]:
        """The host's cards."""
        found = (gpu.function for gpu in self._bench.survey(self._host).gpus)
        return [function.address for function in found if function]

    def _slot_of_server(self) -> model.Slot:
        return model.Slot.parse(self._instance.resources[0].identifier)

    def _free_slots(self) -> Iterator[tuple[str, model.Slot]]:
        """Take a slot of each card in turn, with the UUID of its provider."""
        taken = self._slot_of_server()
        providers = self._bench.gpu_providers(self._host)
        for index in itertools.count():
            for card in self.cards:
                slot = model.Slot(taken.kind, card, index, taken.profile)
                if slot != taken:
                    yield providers[str(card)]['uuid'], slot

    def _add(self, provider: str, slot: model.Slot) -> None:
        instance = objects.Instance(
            self._context,
            uuid=str(uuid.uuid4()),
            display_name=str(slot),
            resources=objects.ResourceList(
                objects=[
                    objects.Resource(
                        provider_uuid=provider,
                        resource_class=self._profile.resource_class,
                        identifier=str(slot),
                    )
                ]
            ),
            **{name: getattr(self._instance, name) for name in _COPIED},
        )
        instance.create()
        mdev = vgpu.uuid_of(slot, instance.uuid)
        self.make_mdev(slot.device, mdev)
        guest = etree.fromstring(self._guest)
        guest.find('name').text = instance.name
        guest.find('uuid').text = instance.uuid
        guest.find('devices/hostdev/source/address').set('uuid', str(mdev))
        driver = self._bench.computes[self._host].driver
        connection = driver._host.get_connection()
        connection.defineXML(
            etree.tostring(guest, encoding='unicode')
        ).createWithFlags(0)
