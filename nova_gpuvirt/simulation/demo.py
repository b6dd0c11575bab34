"""Show the whole way of a GPU: ``make demo``.

A simulated host's GPUs go into Placement, two flavors ask for them, and two
servers get them.
"""

# Nova's functional tests choose between eventlet and threads when they are
# imported, so they have to be first.
import nova.tests.functional  # isort: skip # noqa: F401

import argparse
import logging
import pathlib
import subprocess
import sys
import unittest
from typing import Any

import prettytable
from lxml import etree
from nova import version

from nova_gpuvirt import paragraph
from nova_gpuvirt.simulation import cloud
from nova_gpuvirt.simulation import hosts

_HOST = 'gpu-host-1'
_COLUMNS = ('Address', 'GPU', 'Driver', 'PGPU', 'VGPU', 'VGPU is', 'Sessions')
# Beside these there is one for each profile.
_CLASSES = ('VGPU', 'PGPU', 'CUSTOM_GPU_API_SESSION')
# What of a guest's XML shows the GPU, where that is no <hostdev>.
_PATHS = {
    'CUSTOM_GPU_API_SESSION': ("graphics[@type='egl-headless']", 'video'),
}


class Demo(cloud.Cloud):
    """Boot a server for each class of GPU that a host has."""

    def __init__(self, kind: str) -> None:
        super().__init__('run_demo')
        self._kind = kind

    def run_demo(self) -> None:
        """Go the whole way and print what each side says."""
        _say(
            f'The simulated host {self._kind}',
            f'It has {hosts.about(self._kind)}.',
        )
        self._discover()
        self.start_gpu_host(_HOST, self._kind)
        _say(
            'The host in Placement',
            f'Nova {version.version_string()}: nova-api, nova-conductor, '
            'nova-scheduler, nova-compute with gpuvirt.GpuLibvirtDriver, and '
            'Placement, in one process.',
        )
        self._show_providers()
        classes = self._classes()
        for rc in classes:
            self._boot(rc)
        _say(
            'What is left',
            'What shares hardware with what the servers have was taken out of '
            'the inventories at once.',
        )
        self._show_providers()
        # What the services say when they are stopped is no part of this.
        logging.disable()

    def _discover(self) -> None:
        """Run the command, as an operator would on the host."""
        command = pathlib.Path(sys.executable).with_name('nova-gpuvirt')
        columns = [f'--column={name}' for name in _COLUMNS]
        subprocess.run(
            [command, 'discover', '--simulate', self._kind, *columns],
            check=True,
        )

    def _classes(self) -> list[str]:
        """Choose the classes to ask for, a server each."""
        free = {
            rc
            for provider in self.gpu_providers(_HOST).values()
            for rc, inventory in provider['inventories'].items()
            if inventory['total'] > inventory['reserved']
        }
        return [rc for rc in _CLASSES if rc in free]

    def _show_providers(self) -> None:
        table = prettytable.PrettyTable(
            ['provider', 'class', 'total', 'reserved', 'used'], align='l'
        )
        for provider in self.gpu_providers(_HOST).values():
            for rc, inventory in sorted(provider['inventories'].items()):
                if rc in _CLASSES:
                    table.add_row(
                        [
                            provider['name'],
                            rc,
                            inventory['total'],
                            inventory['reserved'],
                            provider['usages'].get(rc, 0),
                        ]
                    )
        print(table)
        print('(and one class for each profile of a card)\n')

    def _boot(self, rc: str) -> None:
        spec = {f'resources:{rc}': '1'}
        name = rc.removeprefix('CUSTOM_GPU_').lower().replace('_', '-')
        _say(f'A server with {rc}', 'Its flavor:')
        print(
            f'    openstack flavor create gpu.{name} \\\n'
            f'        --vcpus 2 --ram 2048 --property resources:{rc}=1\n'
        )
        flavor = self._create_flavor(extra_spec=spec)
        server = self._create_server(
            name=f'server-{name}', flavor_id=flavor, networks='none'
        )
        print(f'{server["name"]}: {server["status"]}\n')
        providers = {p['name']: p for p in self.gpu_providers(_HOST).values()}
        for name, resources in self.gpu_allocations(server).items():
            print(f'allocation  {resources} of {name}')
            print(_wrapped('traits      ', providers[name]['traits']))
        for claim in self.claims(server):
            print(f'claim       {claim.identifier}')
        devices = self.guest(_HOST, server).find('devices')
        for path in _PATHS.get(rc, ('hostdev',)):
            for element in devices.iterfind(path):
                print(_xml(element))
        print()


def _say(title: str, text: str) -> None:
    print(f'\n{title}\n{"=" * len(title)}\n')
    print(paragraph.fill(text) + '\n', flush=True)


def _wrapped(label: str, words: list[str]) -> str:
    text = ' '.join(sorted(words))
    return paragraph.fill(text, label, ' ' * len(label))


def _xml(element: Any) -> str:
    etree.indent(element)
    return str(etree.tostring(element, encoding='unicode').strip())


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('host', choices=hosts.names(), nargs='?', default='t4')
    result = unittest.TestResult()
    Demo(parser.parse_args().host).run(result)
    for _, traceback in (*result.errors, *result.failures):
        print(traceback, file=sys.stderr)
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main())
