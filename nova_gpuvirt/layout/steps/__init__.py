"""The steps from what a card is to what it shall be.

Each says what it does and what is lost with it, takes itself, and knows how
the card is then. What is left after a step is planned anew, so a step need
not know what the driver does beside it.
"""

from __future__ import annotations

from nova_gpuvirt.layout.steps.mig import MakeGpuInstances
from nova_gpuvirt.layout.steps.mig import RemoveGpuInstances
from nova_gpuvirt.layout.steps.mig import SetMig
from nova_gpuvirt.layout.steps.modes import SetMemoryMode
from nova_gpuvirt.layout.steps.modes import SetMixedSizes
from nova_gpuvirt.layout.steps.modes import SetPartition
from nova_gpuvirt.layout.steps.step import Step
from nova_gpuvirt.layout.steps.vfs import MakeNvidiaVfs
from nova_gpuvirt.layout.steps.vfs import MakeVfs
from nova_gpuvirt.layout.steps.vfs import RemoveNvidiaVfs
from nova_gpuvirt.layout.steps.vfs import RemoveVfs
from nova_gpuvirt.layout.steps.vfs import SetVfMemory
from nova_gpuvirt.layout.steps.vfs import making

__all__ = (
    'MakeGpuInstances',
    'MakeNvidiaVfs',
    'MakeVfs',
    'RemoveGpuInstances',
    'RemoveNvidiaVfs',
    'RemoveVfs',
    'SetMemoryMode',
    'SetMig',
    'SetMixedSizes',
    'SetPartition',
    'SetVfMemory',
    'Step',
    'making',
)
