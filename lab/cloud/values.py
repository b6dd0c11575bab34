"""What the parts of the cloud have to agree on: ports, names, folders."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Literal

# Everything listens here, and nowhere else.
ADDRESS = '127.0.0.1'

# The usual numbers, but for RabbitMQ: a broker of the machine's own may have
# those. A nova-compute elsewhere needs all of the first group.
KEYSTONE = 5000
NOVA_API = 8774
PLACEMENT = 8778
GLANCE = 9292
NEUTRON = 9696
RABBITMQ = 35672

RABBITMQ_NODES = 35673
EPMD = 34369

PORTS = {
    'keystone': KEYSTONE,
    'nova-api': NOVA_API,
    'placement': PLACEMENT,
    'glance': GLANCE,
    'neutron': NEUTRON,
    'rabbitmq': RABBITMQ,
    'rabbitmq between its nodes': RABBITMQ_NODES,
    'epmd': EPMD,
}

# Nobody else reaches the cloud, so its passwords are no secret.
PASSWORD = 'secret'
REGION = 'RegionOne'

# The nova-compute of this machine, as its service is called.
HOST = 'all-in-one'

DATABASES = (
    'keystone',
    'placement',
    'glance',
    'nova_api',
    'nova',
    'nova_cell0',
    'neutron',
)

# Nova 34's and Placement 16's.
COMPUTE_API = '2.96'
PLACEMENT_API = '1.39'

CLONE = pathlib.Path(__file__).parents[2]
FOLDER = CLONE / '.cloud'

Network = Literal['standin', 'real']

# What a path in a sockaddr_un may have, less the longest name of ours.
_LONGEST_FOLDER = 107 - len('/libvirt/run/libvirt-admin-sock')


@dataclasses.dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: its data folder, and what answers as its network service."""

    folder: pathlib.Path = FOLDER
    network: Network = 'standin'

    @property
    def etc(self) -> pathlib.Path:
        """The configuration files."""
        return self.folder / 'etc'

    @property
    def log(self) -> pathlib.Path:
        """The logs: one file a process."""
        return self.folder / 'log'

    @property
    def environment(self) -> pathlib.Path:
        """The Python environment that the services run in."""
        return pathlib.Path(sys.prefix)

    @property
    def mariadb_socket(self) -> pathlib.Path:
        """Where MariaDB listens."""
        return self.folder / 'mariadb.sock'

    @property
    def supervisor_socket(self) -> pathlib.Path:
        """Where the supervisor listens."""
        return self.folder / 'supervisor.sock'

    @property
    def libvirt(self) -> pathlib.Path:
        """What libvirt keeps."""
        return self.folder / 'libvirt'

    @property
    def libvirt_socket(self) -> pathlib.Path:
        """Where libvirt listens."""
        return self.libvirt / 'run' / 'libvirt-sock'

    @property
    def libvirt_uri(self) -> str:
        """How to connect to libvirt."""
        return f'qemu+unix:///system?socket={self.libvirt_socket}'

    @property
    def guest(self) -> pathlib.Path:
        """The kernel, the initrd and the disk of the test image."""
        return self.folder / 'guest'

    def database(self, name: str) -> str:
        """Say how to connect to a database."""
        return (
            f'mysql+pymysql://root@localhost/{name}'
            f'?unix_socket={self.mariadb_socket}&charset=utf8mb4'
        )

    def fits(self) -> bool:
        """Tell if the sockets' paths are short enough for the kernel."""
        return len(str(self.folder)) <= _LONGEST_FOLDER
