"""The processes of the cloud: how each is run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping

from lab.cloud import values


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """One process, as the supervisor runs it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Seconds from SIGTERM until it is killed.
    patience: int = 15


def programs(cloud: values.Cloud) -> tuple[Program, ...]:
    """List the processes, in the order in which they are started."""
    return (
        _mariadb(cloud),
        _epmd(),
        _rabbitmq(cloud),
        _libvirtd(cloud),
        _wsgi(
            'keystone',
            values.KEYSTONE,
            'keystone.wsgi.api',
            OS_KEYSTONE_CONFIG_FILES=f'{cloud.etc}/keystone/keystone.conf',
        ),
        _wsgi(
            'placement',
            values.PLACEMENT,
            'placement.wsgi.api',
            OS_PLACEMENT_CONFIG_DIR=f'{cloud.etc}/placement',
        ),
        _wsgi(
            'glance',
            values.GLANCE,
            'glance.wsgi.api',
            OS_GLANCE_CONFIG_DIR=f'{cloud.etc}/glance',
        ),
        _neutron(cloud),
        _wsgi(
            'nova-api',
            values.NOVA_API,
            'nova.wsgi.osapi_compute',
            OS_NOVA_CONFIG_DIR=f'{cloud.etc}/nova',
            OS_NOVA_CONFIG_FILES=(
                f'{cloud.environment}/etc/nova/api-paste.ini;nova.conf'
            ),
        ),
        _nova(cloud, 'nova-conductor', 'nova.conf'),
        _nova(cloud, 'nova-scheduler', 'nova.conf'),
        _nova(
            cloud,
            'nova-compute',
            'nova-compute.conf',
            script='nova-compute-gpuvirt',
        ),
    )


def _mariadb(cloud: values.Cloud) -> Program:
    return Program(
        'mariadb',
        (
            'mariadbd',
            '--no-defaults',
            '--user=root',
            f'--datadir={cloud.folder}/mariadb',
            f'--socket={cloud.mariadb_socket}',
            f'--pid-file={cloud.folder}/mariadb.pid',
            '--skip-networking',
            '--max-connections=300',
            '--innodb-buffer-pool-size=64M',
            # A lost second after a power cut is no loss here.
            '--innodb-flush-log-at-trx-commit=0',
            '--performance-schema=off',
        ),
        patience=60,
    )


def _epmd() -> Program:
    """RabbitMQ would start one that outlives it."""
    return Program(
        'epmd',
        ('epmd', '-address', values.ADDRESS, '-port', str(values.EPMD)),
    )


def _rabbitmq(cloud: values.Cloud) -> Program:
    address = values.ADDRESS.replace('.', ',')
    return Program(
        'rabbitmq',
        # The one in the PATH becomes Debian's user first.
        ('/usr/lib/rabbitmq/bin/rabbitmq-server',),
        {
            'HOME': f'{cloud.folder}/rabbitmq',
            'ERL_CRASH_DUMP': f'{cloud.log}/erl_crash.dump',
            'ERL_EPMD_ADDRESS': values.ADDRESS,
            'ERL_EPMD_PORT': str(values.EPMD),
            'RABBITMQ_CONFIG_FILE': f'{cloud.etc}/rabbitmq/rabbitmq.conf',
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_DIST_PORT': str(values.RABBITMQ_NODES),
            'RABBITMQ_ENABLED_PLUGINS_FILE': (
                f'{cloud.etc}/rabbitmq/enabled_plugins'
            ),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_LOG_BASE': f'{cloud.log}',
            'RABBITMQ_MNESIA_BASE': f'{cloud.folder}/rabbitmq',
            'RABBITMQ_NODENAME': 'cloud@localhost',
            'RABBITMQ_PID_FILE': f'{cloud.folder}/rabbitmq/pid',
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': (
                f'-kernel inet_dist_use_interface {{{address}}}'
                ' +S 1:1 +sbwt none'
            ),
        },
        patience=30,
    )


def _libvirtd(cloud: values.Cloud) -> Program:
    return Program(
        'libvirtd',
        (
            *('unshare', '--mount', '--propagation', 'private'),
            *(sys.executable, '-m', 'lab.cloud.libvirtd', str(cloud.folder)),
        ),
    )


def _neutron(cloud: values.Cloud) -> Program:
    if cloud.network == 'standin':
        return _wsgi(
            'neutron',
            values.NEUTRON,
            'lab.cloud.network',
            PYTHONPATH=str(values.CLONE),
        )
    return _wsgi(
        'neutron',
        values.NEUTRON,
        'neutron.wsgi.api',
        OS_NEUTRON_CONFIG_DIR=f'{cloud.etc}/neutron',
        OS_NEUTRON_CONFIG_FILES='neutron.conf',
    )


def _nova(
    cloud: values.Cloud, name: str, config: str, *, script: str = ''
) -> Program:
    return Program(
        name, (script or name, '--config-file', f'{cloud.etc}/nova/{config}')
    )


def _wsgi(name: str, port: int, module: str, **environment: str) -> Program:
    return Program(
        name,
        (
            'uwsgi',
            f'--http-socket={values.ADDRESS}:{port}',
            f'--module={module}:application',
            *('--master', '--processes=1', '--threads=4', '--enable-threads'),
            *('--lazy-apps', '--need-app', '--die-on-term', '--thunder-lock'),
            '--buffer-size=65535',
            '--http-chunked-input',
            # An emulated machine that is kept from running takes nothing of
            # an image for longer than the 4 s by default.
            '--socket-timeout=300',
            # uWSGI closes idle connections without a word, and clients then
            # fail at their next request.
            '--add-header=Connection: close',
        ),
        environment,
    )
