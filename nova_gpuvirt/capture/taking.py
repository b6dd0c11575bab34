"""Take a capture of a host: what discovery and a layout ask, less secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt import version
from nova_gpuvirt.capture import contents
from nova_gpuvirt.capture import document as document_
from nova_gpuvirt.capture import omissions
from nova_gpuvirt.capture import recording as recording_
from nova_gpuvirt.capture import secrets as secrets_
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import reading
from nova_gpuvirt.layout import survey

# The drivers of cards that tell their version, where they are loaded.
_DRIVERS = ('amdgpu', 'gim', 'i915', 'nvidia', 'xe')


@dataclasses.dataclass(frozen=True, slots=True)
class Capture:
    """A capture, and what is in it in words.

    :ivar told: what was told of the host, with the same replaced as in the
        document
    """

    document: document_.Document
    contents: str
    told: str


def take(
    machine: machine_.Machine, tell: Callable[[discovery.Host], str]
) -> Capture:
    """Capture a host.

    What one card refuses is in the capture as well.

    :param tell: tells of a host what whoever has the capture shall be told
    """
    recording = recording_.Recording(machine)
    seen = recording.machine
    host = gpus.survey(seen)
    for gpu in filter(survey.can_be_changed, host.gpus):
        assert isinstance(gpu.address, model.PciAddress)
        with contextlib.suppress(Exception):
            reading.read(seen, gpu.address)
    for function in (f for gpu in host.gpus for f in gpu.functions):
        # Beside what libvirt says it is evidence: nobody reads it here.
        with contextlib.suppress(Exception):
            seen.hypervisor.node_device(function.address)
    kernel.release(seen.sysfs.root)
    kernel.physical_bits(seen.sysfs.root)
    kernel.iommu_bits(seen.sysfs.root)
    for driver in _DRIVERS:
        kernel.version(seen.sysfs.root, driver)
    found, left_out = omissions.omit(recording.document(_made()))
    secrets = secrets_.Secrets(kernel.host_name(machine.sysfs.root) or '')
    found = secrets.replace(found)
    told = secrets.replace_in(tell(host))
    listed = contents.listed(found, secrets.counts(), left_out)
    return Capture(found, listed, told)


def _made() -> dict[str, str]:
    # Root sees more than others.
    as_root = 'yes' if os.geteuid() == 0 else 'no'
    return {
        'version of nova-gpuvirt': version.version(),
        'captured by root': as_root,
    }
