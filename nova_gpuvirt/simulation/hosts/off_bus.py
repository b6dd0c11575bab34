"""Four NVIDIA T4, of which the second has fallen off the bus.

Its files say what the kernel read when the host started; its configuration
space answers with nothing but ones.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import t4

FALLEN = '0000:5e:00.0'


def host() -> description.Host:
    """Describe four NVIDIA T4, of which one has fallen off the bus."""
    host = t4.host()
    functions = tuple(
        dataclasses.replace(f, off_the_bus=f.address == FALLEN)
        for f in host.functions
    )
    return dataclasses.replace(host, functions=functions)
