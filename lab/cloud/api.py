"""Talk to the cloud as its administrator does."""

from __future__ import annotations

import openstack
import openstack.connection

from lab.cloud import values


def connect() -> openstack.connection.Connection:
    """Connect to the public APIs."""
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url=f'http://{values.ADDRESS}:{values.KEYSTONE}/v3',
        username='admin',
        password=values.PASSWORD,
        project_name='admin',
        user_domain_id='default',
        project_domain_id='default',
        region_name=values.REGION,
        compute_default_microversion=values.COMPUTE_API,
        placement_default_microversion=values.PLACEMENT_API,
    )
