"""The databases: made once, and brought to the services' schemas."""

from __future__ import annotations

import concurrent.futures
import hashlib
import pathlib

import pymysql

from lab import commands
from lab.cloud import values


def are_installed(cloud: values.Cloud) -> bool:
    """Tell if there is a folder that MariaDB keeps everything in."""
    return (cloud.folder / 'mariadb').exists()


def install(cloud: values.Cloud) -> None:
    """Make the folder that MariaDB keeps everything in."""
    # Where this ends too early, nothing may look as if it were there.
    new = cloud.folder / 'mariadb.new'
    commands.run(
        'mariadb-install-db',
        '--no-defaults',
        '--user=root',
        f'--datadir={new}',
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        log=cloud.log / 'mariadb-install-db.log',
    )
    new.rename(cloud.folder / 'mariadb')


def are_synced(cloud: values.Cloud) -> bool:
    """Tell if the schemas are those of the installed services."""
    stamp = _stamp(cloud)
    return stamp.exists() and stamp.read_text() == _versions()


def sync(cloud: values.Cloud) -> None:
    """Make the databases and bring them to the services' schemas.

    :raises CommandFailed: when a service's own command fails
    """
    _create(cloud)
    # Each command is mostly one busy Python process.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(job, cloud)
            for job in (_nova, _keystone, _neutron, _glance, _placement)
        ]
    for job in jobs:
        job.result()


def remember(cloud: values.Cloud) -> None:
    """Note that the databases are synced, and all that a first start fills."""
    _stamp(cloud).write_text(_versions())


def _create(cloud: values.Cloud) -> None:
    with (
        pymysql.connect(
            user='root', unix_socket=str(cloud.mariadb_socket)
        ) as connection,
        connection.cursor() as cursor,
    ):
        for name in values.DATABASES:
            cursor.execute(
                f'CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4'
            )


def _keystone(cloud: values.Cloud) -> None:
    url = f'http://{values.ADDRESS}:{values.KEYSTONE}/v3'
    owner = ('--keystone-user=root', '--keystone-group=root')
    for argv in (
        ('db_sync',),
        ('fernet_setup', *owner),
        ('credential_setup', *owner),
        (
            'bootstrap',
            f'--bootstrap-password={values.PASSWORD}',
            f'--bootstrap-admin-url={url}',
            f'--bootstrap-internal-url={url}',
            f'--bootstrap-public-url={url}',
            f'--bootstrap-region-id={values.REGION}',
        ),
    ):
        _manage(cloud, 'keystone', 'keystone.conf', *argv)


def _placement(cloud: values.Cloud) -> None:
    _manage(cloud, 'placement', 'placement.conf', 'db', 'sync')


def _glance(cloud: values.Cloud) -> None:
    _manage(cloud, 'glance', 'glance-api.conf', 'db_sync')


def _nova(cloud: values.Cloud) -> None:
    cell0 = cloud.database('nova_cell0')
    for argv in (
        ('api_db', 'sync'),
        ('cell_v2', 'map_cell0', '--database_connection', cell0),
        ('cell_v2', 'create_cell', '--name', 'cell1'),
        ('db', 'sync'),
    ):
        # create_cell says 2 when there is such a cell already.
        allowed = (0, 2) if 'create_cell' in argv else (0,)
        _manage(cloud, 'nova', 'nova.conf', *argv, allowed=allowed)


def _neutron(cloud: values.Cloud) -> None:
    if cloud.network == 'real':
        commands.run(
            'neutron-db-manage',
            f'--config-file={cloud.etc}/neutron/neutron.conf',
            *('upgrade', 'heads'),
            log=cloud.log / 'neutron-db-manage.log',
        )


def _manage(
    cloud: values.Cloud,
    service: str,
    config: str,
    *argv: str,
    allowed: tuple[int, ...] = (0,),
) -> None:
    commands.run(
        f'{service}-manage',
        f'--config-file={cloud.etc}/{service}/{config}',
        *argv,
        log=cloud.log / f'{service}-manage.log',
        allowed=allowed,
    )


def _stamp(cloud: values.Cloud) -> pathlib.Path:
    return cloud.folder / f'synced-{cloud.network}'


def _versions() -> str:
    """Name the versions of the services: a hash of their pins."""
    pins = (values.CLONE / 'constraints').glob('*.txt')
    return hashlib.sha256(
        b''.join(path.read_bytes() for path in sorted(pins))
    ).hexdigest()
