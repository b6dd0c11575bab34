"""The test image and the flavors."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from openstack import connection

from lab import commands
from lab.cloud import api
from lab.cloud import guest_kernel
from lab.cloud import values
from nova_gpuvirt.proof import image

IMAGE = 'guest'

# The extra specs of each flavor.
FLAVORS = MappingProxyType(
    {
        'plain': {},
        'gpu.vgpu': {'resources:VGPU': '1'},
        'gpu.whole': {'resources:PGPU': '1'},
    }
)
_MIB = 256

# From which the guest's own words can be told.
_COMMAND_LINE = 'console=ttyS0 loglevel=4 mitigations=off'


def build(cloud: values.Cloud) -> None:
    """Make the image's files, where they are not there.

    Each is there as a whole or not at all, also after a build that was ended.
    """
    cloud.guest.mkdir(parents=True, exist_ok=True)
    guest_kernel.build(cloud.guest / 'vmlinuz')
    initrd = cloud.guest / 'initrd.gz'
    if not initrd.exists():
        new = initrd.with_suffix('.new')
        image.make_initrd(new)
        new.rename(initrd)
    disk = cloud.guest / 'disk.qcow2'
    if not disk.exists():
        new = disk.with_suffix('.new')
        commands.run(
            *('qemu-img', 'create', '-q', '-f', 'qcow2', str(new), '1M'),
            log=cloud.log / 'qemu-img.log',
        )
        new.rename(disk)


def register(cloud: values.Cloud) -> None:
    """Make the image and the flavors, where they are not there."""
    client = api.connect()
    upload(client, IMAGE, cloud.guest)
    make_flavors(client, FLAVORS)


def make_flavors(
    client: connection.Connection, flavors: Mapping[str, Mapping[str, str]]
) -> None:
    """Make flavors for the image, where they are not there.

    :param flavors: the extra specs of each, by its name
    """
    for name, specs in flavors.items():
        if not client.compute.find_flavor(name):
            flavor = client.compute.create_flavor(
                name=name, ram=_MIB, vcpus=1, disk=1
            )
            if specs:
                client.compute.create_flavor_extra_specs(flavor, {**specs})


def upload(
    client: connection.Connection,
    name: str,
    folder: pathlib.Path,
    words: str = '',
) -> tuple[Any, ...]:
    """Make an image of a folder's files, where it is not there.

    :param words: what else its kernel is told
    :returns: it, and those of its kernel and of its initrd
    """
    vmlinuz = _image(client, f'{name}-kernel', 'aki', folder / 'vmlinuz')
    ramdisk = _image(client, f'{name}-initrd', 'ari', folder / 'initrd.gz')
    disk = _image(
        client,
        name,
        'qcow2',
        folder / 'disk.qcow2',
        container_format='bare',
        kernel_id=vmlinuz.id,
        ramdisk_id=ramdisk.id,
        os_command_line=f'{_COMMAND_LINE} {words}'.strip(),
    )
    return disk, vmlinuz, ramdisk


def _image(
    client: connection.Connection,
    name: str,
    disk_format: str,
    path: pathlib.Path,
    **more: Any,
) -> Any:
    return client.image.find_image(name) or client.image.create_image(
        name=name,
        filename=str(path),
        disk_format=disk_format,
        **{'container_format': disk_format, **more},
        visibility='public',
        use_import=False,
        wait=True,
    )
