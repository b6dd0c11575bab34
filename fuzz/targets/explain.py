"""What Placement is asked for, and what its providers are called."""

from __future__ import annotations

from fuzz import addresses
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import model
from nova_gpuvirt.explain import changes
from nova_gpuvirt.explain import wanted
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import providers
from nova_gpuvirt.placement import traits

_QUERIES = (
    'resources=VCPU:1,MEMORY_MB:512&resources1=VGPU:1&required1=CUSTOM_A,!B'
    '&group_policy=none&limit=1000',
)


def _query(text: str) -> None:
    found = wanted.read(text)
    check(found.query == text, 'another query')
    hash(found.of_gpus and found.of_hosts and found.query)
    found.query_in('155d900f-4e14-4e4c-a73d-069cbf4541e6')


def _provider(text: str) -> None:
    found = providers.address_of('host1', text)
    if found is None:
        return
    addresses.stand_in(text, [found])
    name = providers.provider_name('host1', found)
    check(name == text, f'{name!r} for {text!r}')


def _trait(text: str) -> None:
    traits.name_of_ids(text)
    changes.class_of(text)
    traits.ids_of([text])
    made = trait_names.custom('MODEL', text)
    check(made.replace('_', '').isalnum() and made.isascii(), repr(made))
    check(len(made) <= 255, f'{len(made)} characters')
    model.is_gpu_class(text)


TARGETS = (
    of_text(
        'query', _query, ('explain.wanted.read',), _QUERIES, (ValueError,)
    ),
    of_text(
        'provider-name',
        _provider,
        ('placement.providers.address_of',),
        (
            'host1_gpuvirt_0000:3b:00.0',
            'host1_gpuvirt_fabric0',
            'host1_gpuvirt_renderD128',
        ),
    ),
    of_text(
        'trait',
        _trait,
        (
            'placement.traits.name_of_ids',
            'explain.changes.class_of',
            'model.trait_names.custom',
        ),
        ('CUSTOM_GPU_ID_10DE_1EB8', 'CUSTOM_GPU_PROFILE_NVIDIA_T4_2Q', 'a b'),
    ),
)
