"""What NVIDIA's command says of a card that is unfit.

Keys and values are those of ``nvidia-smi -q`` as users have published them:

* ``GPU Recovery Action`` (drivers since 565): ``None``, or what has to be
  done; the actions are in "Error Recovery and Response Flags",
  docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt
* ``Remapping Failure Occurred``: rows of memory are worn out ("RMA policy
  thresholds for row remapping", in the same guide)
* ``State`` and ``Status`` below ``Fabric``: a status counts when the state is
  ``Completed`` (nvmlGpuFabricInfo_t of nvml.h), and is ``Success`` then; below
  ``Health`` a ``Summary`` may be ``Unhealthy``

A card that is lost makes the command fail: ``Unable to determine the device
handle for GPU 0000:05:00.0: GPU is lost.`` Or those words stand as a value.
They are of NVML's NVML_ERROR_GPU_IS_LOST and NVML_ERROR_RESET_REQUIRED. Any
other failure says nothing about the card: ``Unknown Error`` does not, though
it may be so.
"""

from __future__ import annotations

import dataclasses
import re

from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvidia_output

_NOTHING = frozenset({'', 'None', 'N/A', 'Not Supported', 'Unknown'})
_WORDS = ('GPU is lost', 'GPU has fallen off the bus', 'GPU requires reset')
_LOST = re.compile(
    rf'(?:device handle for [^\n]{{1,60}}|NVML): ({"|".join(_WORDS)})'
)
# Of a process: it is told by who named it.
_OF_OTHERS = 'Name'
_SECTION = re.compile(r'^( *)Fabric *\n((?:\1 +\S.*\n|\1 +\S.*\Z)*)', re.M)


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """What was said; None and False for nothing of the kind.

    :ivar lost: that the driver can't reach the card, or won't before a reset
    :ivar recovery: what has to be done with the card
    :ivar remapping_failed: whether its memory could not be repaired
    :ivar fabric: why NVLinks to other cards do not work
    """

    lost: str | None = None
    recovery: str | None = None
    remapping_failed: bool = False
    fabric: str | None = None

    @property
    def is_well(self) -> bool:
        """Tell whether there is no complaint."""
        return self == Health()


def parse(text: str) -> Health:
    """Read what ``nvidia-smi -q`` prints of one card."""
    settings = nvidia_output.settings(text)
    recovery = settings.get('GPU Recovery Action', '')
    remapping = settings.get('Remapping Failure Occurred', '')
    values = (v.strip('[]') for k, v in settings.items() if k != _OF_OTHERS)
    return Health(
        lost=next((value for value in values if value in _WORDS), None),
        recovery=None if recovery in _NOTHING else recovery,
        remapping_failed=remapping == 'Yes',
        fabric=_fabric(text),
    )


def of_failure(failure: commands.CommandFailed) -> Health | None:
    """Read why the command failed; None where it says nothing of the card."""
    if isinstance(failure, (commands.CommandHangs, commands.CommandMissing)):
        return None
    match = _LOST.search(str(failure))
    return None if match is None else Health(lost=match[1])


def _fabric(text: str) -> str | None:
    match = _SECTION.search(text)
    if match is None:
        return None
    settings = nvidia_output.settings(match[2])
    state = settings.get('State', '')
    status = settings.get('Status', '')
    if state == 'Completed' and status not in {*_NOTHING, 'Success'}:
        return status
    return 'Unhealthy' if settings.get('Summary') == 'Unhealthy' else None
