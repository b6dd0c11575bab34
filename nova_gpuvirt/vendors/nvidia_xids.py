"""What NVIDIA's numbers of errors, the Xids, mean for a card.

Source: "Analyzing Xid Errors with the Xid Catalog",
docs.nvidia.com/deploy/xid-errors, the column "Immediate Action", as of October
2025. Those that NVIDIA's own device plugin for Kubernetes takes for errors of
an application (internal/rm/health.go of NVIDIA/k8s-device-plugin: 13, 31, 43,
45, 68, 109) are no sign of a sick card, and so are those with the action
RESTART_APP or IGNORE: a guest could take a card out of service with them.
The catalog wants a reset after 109, so it counts when it comes again.
"""

from __future__ import annotations

import re

# RESET_GPU or RESTART_BM; 48 by its workflow, which ends with a reset.
_NEED_RESET = {
    46: 'the GPU stopped processing',
    48: 'double bit ECC error',
    62: 'a micro-controller halted',
    64: 'memory could not be remapped',
    79: 'the GPU has fallen off the bus',
    95: 'uncontained memory error',
    110: 'security fault',
    119: 'the GSP does not answer',
    120: 'error of the GSP',
    136: 'link training failed',
    140: 'ECC error that was not recovered',
    143: 'the GPU could not be initialized',
    155: 'NVLink error that the software defined',
    156: 'resource retirement',
    158: 'fatal timeout',
}
# Those that have a workflow or no action yet, and may be of a moment.
_DOUBTFUL = {
    54: 'auxiliary power is not connected',
    74: 'NVLink error',
    109: 'context switch timeout',
    144: 'NVLink error (SAW)',
    145: 'NVLink error (RLW)',
    146: 'NVLink error (TLW)',
    147: 'NVLink error (TREX)',
    148: 'NVLink error (NVLPW_CTRL)',
    149: 'NVLink error (NETIR)',
    150: 'NVLink error (MSE)',
    167: 'PCIe timeout',
    169: 'a micro-controller halted',
}
RECOVERY = 154
"""The action that a card needs has changed; the text says to what."""
# "154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot
# Required)"; the words are not the same in all releases of the driver.
_CHANGED = re.compile(
    r'(?:pid=\S+, )?(?:name=\S+, )?GPU recovery action changed from '
    r'0x[0-9a-f]+ \([^()]*\) to 0x[0-9a-f]+ \(([^()]*)\)\W*'
)
NO_ACTION = 'None'


def needs_reset(number: int) -> bool:
    """Tell whether a card is unfit until it was reset."""
    return number in _NEED_RESET


def meaning(number: int) -> str | None:
    """Tell what it means for a card, None where that is nothing."""
    return _NEED_RESET.get(number) or _DOUBTFUL.get(number)


def recovery_action(text: str) -> str | None:
    """Read the action that a card needs now from what follows a 154.

    :returns: None where it is not told
    """
    match = _CHANGED.fullmatch(text)
    return match[1] if match else None
