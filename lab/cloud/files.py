"""Write the configuration files, from the templates."""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Mapping
from typing import Any

import jinja2

from lab.cloud import programs
from lab.cloud import scheduling
from lab.cloud import values

_TEMPLATES = pathlib.Path(__file__).parent / 'templates'

# Where each file goes in the data folder.
_FILES = (
    'etc/glance/glance-api.conf',
    'etc/keystone/keystone.conf',
    'etc/libvirt/libvirtd.conf',
    'etc/libvirt/qemu.conf',
    'etc/neutron/neutron.conf',
    'etc/nova/nova.conf',
    'etc/placement/placement.conf',
    'etc/rabbitmq/enabled_plugins',
    'etc/rabbitmq/rabbitmq.conf',
    'etc/supervisord.conf',
    'openrc',
)
_COMPUTE = 'etc/nova/nova-compute.conf'


def supervisor(cloud: values.Cloud) -> pathlib.Path:
    """Say where the supervisor's configuration is."""
    return cloud.etc / 'supervisord.conf'


def is_current(cloud: values.Cloud) -> bool:
    """Tell if the supervisor's configuration is what would be written."""
    path = supervisor(cloud)
    return path.exists() and path.read_text() == _render(
        cloud, 'etc/supervisord.conf'
    )


def write(cloud: values.Cloud) -> None:
    """Write all configuration files, and make the folders that they name."""
    for folder in ('lock', 'log', 'nova/instances', 'rabbitmq'):
        (cloud.folder / folder).mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        _write(cloud.folder / name, _render(cloud, name))
    _write(cloud.folder / _COMPUTE, local_compute(cloud))


def local_compute(cloud: values.Cloud) -> str:
    """Write the nova.conf of this machine's nova-compute."""
    return compute(
        cloud,
        host=values.HOST,
        state=cloud.folder / 'nova',
        path=cloud.folder / _COMPUTE,
        libvirt_uri=cloud.libvirt_uri,
    )


def compute(
    cloud: values.Cloud,
    *,
    host: str,
    state: pathlib.Path,
    path: pathlib.Path,
    libvirt_uri: str = '',
) -> str:
    """Write the nova.conf of a nova-compute, on whichever machine.

    :param host: the name of its service
    :param state: the folder for instances and locks, there
    :param path: where the file will be, there
    :param libvirt_uri: how to connect to libvirt, when not as usual
    """
    return _render(
        cloud,
        _COMPUTE,
        host=host,
        state=state,
        path=path,
        libvirt_uri=libvirt_uri,
    )


def _render(cloud: values.Cloud, name: str, **more: Any) -> str:
    template = _ENVIRONMENT.get_template(pathlib.Path(name).name + '.j2')
    return template.render(
        cloud=cloud,
        values=values,
        programs=programs.programs(cloud),
        filters=scheduling.filters(),
        weighers=scheduling.weighers(),
        **more,
    )


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _command(words: tuple[str, ...]) -> str:
    """Write a command for the supervisor, to which % is special."""
    return shlex.join(words).replace('%', '%%')


def _environment(variables: Mapping[str, str]) -> str:
    """Write environment variables for the supervisor."""
    return ','.join(
        f'{name}="{value}"'.replace('%', '%%')
        for name, value in variables.items()
    )


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_TEMPLATES),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters['command'] = _command
_ENVIRONMENT.filters['environment'] = _environment
