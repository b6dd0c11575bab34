"""The serial number of a card, where its driver tells it.

Of NVIDIA's, nvidia-smi does, of the boards that have one; of AMD's, amdgpu
has the file ``serial_number`` (kernel Documentation/gpu/amdgpu/driver-misc).
"""

from __future__ import annotations

import logging

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.vendors import nvidia_output

LOG = logging.getLogger(__name__)

_FILE = 'serial_number'
_NONE = ('', '0', 'N/A', '[N/A]')


def of(machine: machine_.Machine, function: model.PciFunction) -> str | None:
    """Ask for the serial number of a card, None where nothing tells it.

    It may take as long as a command of the vendor's does.
    """
    try:
        if function.driver == 'nvidia':
            said = machine.run(
                ('nvidia-smi', '-q', '-i', str(function.address))
            )
            found = nvidia_output.settings(said).get('Serial Number')
        else:
            found = machine.sysfs.read_if_there(function.address, _FILE)
    except (commands.CommandFailed, exception.SysfsError) as error:
        LOG.debug('%s tells no serial number: %s', function.address, error)
        return None
    return None if found in _NONE else found
