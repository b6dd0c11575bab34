"""The slots that cards are plugged into, by the names on the machine.

The kernel shows a slot that the firmware numbers as a folder, whose file
``address`` has domain, bus and device of what is in it: ``0000:3b:00``, and
``0000:3b`` where that may be any device of the bus (kernel
drivers/pci/slot.c).
"""

from __future__ import annotations

from nova_gpuvirt import model
from nova_gpuvirt.host import files

_SLOTS = 'sys/bus/pci/slots'


def name_of(root: files.Files, function: model.PciFunction) -> str | None:
    """Name the slot that a card is in, None where the host knows none.

    On a board with several GPUs the bridge above them is what is in the slot.
    """
    slots = {
        address: name
        for name in root.names_if_there(_SLOTS)
        if (address := root.text_if_readable(f'{_SLOTS}/{name}/address'))
    }
    for device in (str(function.address), *reversed(function.above)):
        place = device.rpartition('.')[0]
        for address in (place, place.rpartition(':')[0]):
            if address in slots:
                return slots[address]
    return None
