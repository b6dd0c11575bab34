"""Run our tests of tempest against the cloud and its virtual GPU host.

usage: python -m lab.tempest
"""

from __future__ import annotations

import configparser
import contextlib
import io
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from types import MappingProxyType

from openstack import connection

from lab.cloud import api
from lab.cloud import images
from lab.cloud import values
from lab.host import places

FOLDER = places.LAB / 'tempest'

# Of each there are few, so that the tests can use all of them up.
_GPU_FLAVORS = MappingProxyType(
    {
        'tempest.vgpu': {
            'resources:CUSTOM_VGPU_NVIDIA_SIM_2Q': '1',
            'trait:CUSTOM_GPU_ID_1234_1111': 'required',
        },
        'tempest.whole': {
            'resources:PGPU': '1',
            'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required',
        },
    }
)
_PLAIN = 'tempest.plain'
# Seconds that an emulated machine may take to boot a guest.
_PATIENCE = 600


def main() -> int:
    """Run them; give back tempest's exit status."""
    client = api.connect()
    images.make_flavors(client, {**_GPU_FLAVORS, _PLAIN: {}})
    image = client.image.find_image(images.IMAGE, ignore_missing=False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / 'tempest.conf').write_text(configuration(FOLDER, image.id))
    tempest = pathlib.Path(sys.executable).with_name('tempest')
    with _gpu_host_alone(client):
        return subprocess.run(
            (
                *(tempest, 'run', '--config-file', 'tempest.conf'),
                *('--serial', '--regex', r'^nova_gpuvirt\.tempest_plugin'),
            ),
            cwd=FOLDER,
        ).returncode


def configuration(folder: pathlib.Path, image: str) -> str:
    """Write the tempest.conf for the cloud of this clone.

    :param folder: where tempest is run
    :param image: the id of the test image
    """
    conf = configparser.RawConfigParser()
    conf.read_dict(
        {
            'DEFAULT': {'log_file': f'{folder}/tempest.log'},
            'oslo_concurrency': {'lock_path': f'{folder}/lock'},
            'auth': {
                'admin_username': 'admin',
                'admin_password': values.PASSWORD,
                'admin_project_name': 'admin',
                'admin_domain_name': 'Default',
                'create_isolated_networks': 'false',
            },
            'identity': {
                'uri_v3': f'http://{values.ADDRESS}:{values.KEYSTONE}/v3',
                'auth_version': 'v3',
                'region': values.REGION,
            },
            'service_available': {
                'neutron': 'false',
                'cinder': 'false',
                'swift': 'false',
            },
            'validation': {'run_validation': 'false'},
            'compute': {'image_ref': image, 'max_microversion': 'latest'},
            'compute-feature-enabled': {'resize': 'true'},
            'placement': {'max_microversion': 'latest'},
            'gpuvirt': {
                'flavors': ','.join(_GPU_FLAVORS),
                'resize_flavor': _PLAIN,
                'build_timeout': str(_PATIENCE),
            },
        }
    )
    text = io.StringIO()
    conf.write(text)
    return text.getvalue()


@contextlib.contextmanager
def _gpu_host_alone(client: connection.Connection) -> Iterator[None]:
    """Let no server be resized to the cloud's own host.

    The two share no disk, and neither lets the other in by ssh.
    """
    (service,) = client.compute.services(
        host=values.HOST, binary='nova-compute'
    )
    client.compute.disable_service(
        service, disabled_reason='tempest is for the host with GPUs'
    )
    try:
        yield
    finally:
        client.compute.enable_service(service)


if __name__ == '__main__':
    sys.exit(main())
