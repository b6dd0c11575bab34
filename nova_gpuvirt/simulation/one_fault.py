"""Simulated hosts with one fault each, as operators find them.

Each is a healthy host of `hosts` in which one thing is forgotten or broken. It
has the name of the line of ``nova-gpuvirt check`` that shows it; all other
lines pass.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text
from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated as simulated_
from nova_gpuvirt.simulation import userland
from nova_gpuvirt.simulation.commands import fabric_manager
from nova_gpuvirt.simulation.commands import sudo

_Change = Callable[[description.Host], description.Host]
_MODULES = 'lib/modules/6.8.0-31-generic'
_CARDS = 'var/lib/nova-gpuvirt/cards'


def _nothing(host: object) -> None:
    pass


def _as_it_is(host: description.Host) -> description.Host:
    return host


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a host.

    `host` is the name of the healthy one, `change` what differs in it, and
    `happen` what happens to it once it runs.
    """

    host: str
    change: _Change = _as_it_is
    happen: Callable[[simulated_.SimulatedHost], object] = _nothing


def _with(**changes: Any) -> _Change:
    """Change what the host has."""
    return lambda host: dataclasses.replace(host, **changes)


def _texts(texts: Mapping[str, str]) -> _Change:
    """Put texts in place of the host's files."""
    return _with(texts=texts)


def _nova(old: str, new: str) -> _Change:
    """Put a text in place of one in nova.conf."""
    assert old in userland.NOVA, old
    return _texts({userland.NOVA_CONF: userland.NOVA.replace(old, new)})


def _nova_too(more: str) -> _Change:
    """Add groups to nova.conf."""
    return _texts({userland.NOVA_CONF: userland.NOVA + more})


def _function(address: str, **changes: Any) -> _Change:
    """Change what one function of the host has."""

    def change(host: description.Host) -> description.Host:
        functions = tuple(
            dataclasses.replace(f, **changes) if f.address == address else f
            for f in host.functions
        )
        return dataclasses.replace(host, functions=functions)

    return change


def _without_vfs(address: str, **changes: Any) -> _Change:
    """Enable no VFs of one card."""

    def change(host: description.Host) -> description.Host:
        card = next(f for f in host.functions if f.address == address)
        assert card.vfs is not None
        vfs = dataclasses.replace(card.vfs, enabled=0)
        return _function(address, vfs=vfs, **changes)(host)

    return change


def _command(name: str, command: description.Command) -> _Change:
    """Let a command answer otherwise."""
    return lambda host: dataclasses.replace(
        host, commands={**host.commands, name: command}
    )


def _both(one: _Change, other: _Change) -> _Change:
    return lambda host: other(one(host))


FAULTS: Mapping[str, Fault] = {
    'gpus': Fault('t4', _function('0000:5e:00.0', off_the_bus=True)),
    'layout': Fault(
        'l40s',
        _texts(
            {'etc/nova-gpuvirt/layout.yaml': 'version: 1\ncards: [{vfs: 4}]\n'}
        ),
    ),
    'iommu': Fault('t4', _with(iommu=False)),
    'acs': Fault(
        'l40s', _with(words='intel_iommu=on pcie_acs_override=downstream')
    ),
    'groups': Fault(
        'hgx-b200',
        _both(
            _function('0000:05:00.0', iommu_group=50),
            _function('0000:0f:00.0', iommu_group=50),
        ),
    ),
    'vfio': Fault(
        't4',
        _with(
            drivers=(),
            texts={
                f'{_MODULES}/modules.dep': 'kernel/drivers/net/tg3.ko:\n',
                f'{_MODULES}/modules.builtin': 'kernel/fs/ext4/ext4.ko\n',
            },
        ),
    ),
    'large-bars': Fault('mi300x', _with(above_4g=False)),
    'ari': Fault('l40s', _with(ari=False)),
    'vfs': Fault('l40s', _without_vfs('0000:41:00.0')),
    'resets': Fault('gvtd', _function('0000:00:02.0', reset_method=None)),
    'quarantine': Fault(
        't4',
        _texts(
            {
                f'{_CARDS}/0000:5e:00.0.json': record_text.dump(
                    record.Record(
                        record.Quarantine(
                            'it crashes guests',
                            '2026-11-30T02:56:03Z',
                            record.By.OPERATOR,
                        )
                    )
                )
            }
        ),
    ),
    'drivers': Fault('epyc', _function('0000:41:00.0', driver='nouveau')),
    'processes': Fault('b60', happen=lambda host: host.hide_processes()),
    'holders': Fault(
        't4', happen=lambda host: host.start('nv-hostengine', '/dev/nvidia0')
    ),
    'nvidia-vgpu': Fault(
        'l40s', happen=lambda host: host.end('nvidia-vgpu-mgr')
    ),
    'fabric-manager': Fault(
        'hgx-b200', happen=lambda host: host.end(fabric_manager.DAEMON)
    ),
    'gim': Fault(
        'v710', _without_vfs('0000:43:00.0', driver=None, pf_driver=None)
    ),
    'libvirt': Fault('l40s', _with(libvirt=9_010_000)),
    'opengl': Fault('navi', _with(opengl=False)),
    'vulkan': Fault('navi', _nova_too('[gpuvirt]\napi_vulkan = true\n')),
    'huge-pages': Fault('l40s', _with(huge_pages=(0, 4096))),
    'memlock': Fault(
        'l40s',
        _texts(
            {
                'etc/systemd/system/libvirtd.service.d/less.conf': '[Service]'
                '\nCapabilityBoundingSet=~CAP_SYS_RESOURCE CAP_SYS_TIME\n'
            }
        ),
    ),
    'user': Fault(
        'l40s', _texts({userland.GROUP: 'root:x:0:\nlibvirt:x:118:\n'})
    ),
    'privsep': Fault(
        'l40s',
        _texts(
            {
                userland.ROOTWRAP: '[DEFAULT]\nfilters_path=/etc/nova/'
                'rootwrap.d\nexec_dirs=/sbin,/opt/stack/bin\n'
            }
        ),
    ),
    'sudo': Fault('l40s', _command(sudo.NAME, sudo.Sudo().run)),
    'nova.conf': Fault(
        'l40s', _texts({'etc/nova/nova.conf.d/gpu.conf': 'exclude\n'})
    ),
    'driver': Fault('l40s', _nova('gpuvirt.Gpu', 'libvirt.')),
    'options': Fault('l40s', _nova_too('[gpuvirt]\nkinds = vgpu\n')),
    'masters': Fault(
        't4', _nova_too('[pci]\ndevice_spec = {"address": "*:5e:00.*"}\n')
    ),
    'classes': Fault(
        't4', _nova_too('[devices]\nenabled_mdev_types = nvidia-999\n')
    ),
    'scheduler': Fault('l40s', _nova(',GpuFilter', '')),
}


def describe(name: str) -> description.Host:
    """Describe the host with the fault of that name."""
    fault = FAULTS[name]
    return fault.change(hosts.HOSTS[fault.host]())


def simulated(name: str, root: pathlib.Path) -> simulated_.SimulatedHost:
    """Start the host with the fault of that name.

    :param root: a folder without a ``sys``; it is made if need be
    """
    host = simulated_.SimulatedHost(describe(name), root)
    FAULTS[name].happen(host)
    return host
