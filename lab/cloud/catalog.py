"""The services' users, and the catalog of where each service is."""

from __future__ import annotations

from typing import Any

from lab.cloud import api
from lab.cloud import values

_USERS = ('glance', 'neutron', 'nova', 'placement')
_ENDPOINTS = {
    'compute': ('nova', f'{values.NOVA_API}/v2.1'),
    'image': ('glance', f'{values.GLANCE}'),
    'network': ('neutron', f'{values.NEUTRON}'),
    'placement': ('placement', f'{values.PLACEMENT}'),
}


def fill() -> None:
    """Make what is missing of users, services and endpoints."""
    # Its type leaves open which version of the API it is.
    identity: Any = api.connect().identity
    project = identity.find_project('service') or identity.create_project(
        name='service', domain_id='default'
    )
    roles = [
        identity.find_role(name) or identity.create_role(name=name)
        for name in ('admin', 'service')
    ]
    for name in _USERS:
        user = identity.find_user(name) or identity.create_user(
            name=name,
            password=values.PASSWORD,
            default_project_id=project.id,
            domain_id='default',
        )
        for role in roles:
            identity.assign_project_role_to_user(project, user, role)
    services = {service.type: service for service in identity.services()}
    for kind, (name, place) in _ENDPOINTS.items():
        service = services.get(kind) or identity.create_service(
            type=kind, name=name
        )
        there = {
            endpoint.interface
            for endpoint in identity.endpoints(service_id=service.id)
        }
        for interface in {'public', 'internal', 'admin'} - there:
            identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                url=f'http://{values.ADDRESS}:{place}',
                region_id=values.REGION,
            )
