"""What a host has beside its kernel: Nova's files, its users, libvirt's unit.

They are as an operator has them who has followed ``doc/source/install`` on a
distribution's Nova: nova.conf, rootwrap and sudo as Nova's own packages have
them, and libvirtd.service with what is in libvirt's
src/remote/libvirtd.service.in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.commands import sudo
from nova_gpuvirt.simulation.files import folder

NOVA_CONF = 'etc/nova/nova.conf'
ROOTWRAP = 'etc/nova/rootwrap.conf'
HELPER = 'usr/bin/privsep-helper'
GROUP = 'etc/group'
UNIT = 'usr/lib/systemd/system/libvirtd.service'

NOVA = """\
[DEFAULT]
compute_driver = gpuvirt.GpuLibvirtDriver
[filter_scheduler]
available_filters = nova.scheduler.filters.all_filters
available_filters = nova_gpuvirt.scheduler.filters.GpuFilter
enabled_filters = ComputeFilter,ImagePropertiesFilter,GpuFilter
weight_classes = nova.scheduler.weights.all_weighers,\
nova_gpuvirt.scheduler.weighers.GpuWeigher
"""
_TEXTS = {
    NOVA_CONF: NOVA,
    ROOTWRAP: """\
[DEFAULT]
filters_path=/etc/nova/rootwrap.d,/usr/share/nova/rootwrap
exec_dirs=/sbin,/usr/sbin,/bin,/usr/bin,/usr/local/sbin,/usr/local/bin
""",
    HELPER: '#!/usr/bin/python3\n',
    'etc/passwd': """\
root:x:0:0:root:/root:/bin/bash
nova:x:64060:64060::/var/lib/nova:/usr/sbin/nologin
""",
    GROUP: """\
root:x:0:
libvirt:x:118:nova
kvm:x:119:nova
nova:x:64060:
""",
    UNIT: """\
[Service]
ExecStart=/usr/sbin/libvirtd
LimitMEMLOCK=64M
""",
}
_MODES = {HELPER: 0o755}
COMMANDS: Mapping[str, description.Command] = {
    sudo.NAME: sudo.Sudo(
        '/usr/bin/nova-rootwrap /etc/nova/rootwrap.conf *'
    ).run
}
"""Commands that each host has beside its vendors'."""


def write(place: folder.Folder, host: description.Host) -> None:
    """Write the files, and those that this host has in their place.

    One that is there stays: a reboot leaves them, and a folder may have had
    its own before.
    """
    for path, text in {**_TEXTS, **host.texts}.items():
        if not os.path.lexists(place.root / path):
            place.file(path, text, _MODES.get(path, 0o644))
