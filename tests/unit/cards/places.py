"""Cards at places of a host, and sets of them, in few words."""

import dataclasses

from nova_gpuvirt import model
from tests.unit import functions as functions_


def address(number):
    return model.PciAddress(0, number, 0, 0)


def function(number, node, *above):
    return functions_.function(
        address(number),
        device_id=0x1234,
        driver='vfio-pci',
        numa_node=node,
        iommu_group=number,
        above=above,
    )


def gpu(number, node=None, *above, device_id=0x1234, **changes):
    found = dataclasses.replace(
        function(number, node, *above), device_id=device_id
    )
    return model.Gpu(found, (), vendor='V', model='M', **changes)


def cards(*numbers):
    return model.CardSet.of(address(n) for n in numbers)
