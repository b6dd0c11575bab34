"""Placement says of the host what its hardware offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.tests.host import base
from lab.tests.host import hardware


class PlacementTest(base.HostTestCase):
    def test_inventories_are_what_discover_says(self) -> None:
        found = hardware.discover()
        offered = {gpu['Address']: _offer(gpu) for gpu in found if _offer(gpu)}
        offered[base.FABRIC] = _sets(found)
        self.until(
            lambda: self.left() == offered,
            60,
            f'what discover says, {offered}; found {self.left()}',
        )

    def test_traits_are_what_discover_says(self) -> None:
        providers = self.providers()
        kinds = set()
        for gpu in hardware.discover():
            traits = set(self.of_provider(providers[gpu['Address']], 'traits'))
            found = {t for t in traits if 'GPU_KIND_' in t}
            self.assertEqual(
                gpu['PGPU'] is not None,
                'CUSTOM_GPU_KIND_PASSTHROUGH' in found,
            )
            self.assertEqual(
                gpu['Sessions'] is not None, 'CUSTOM_GPU_KIND_API' in found
            )
            if gpu['VGPU is']:
                slug = gpu['VGPU is'].upper().replace('-', '_')
                self.assertIn(f'CUSTOM_GPU_PROFILE_{slug}', traits)
            kinds |= found
        self.assertIn(
            'CUSTOM_GPU_FABRIC_PCIE',
            self.of_provider(providers[base.FABRIC], 'traits'),
        )
        self.assertEqual(
            {
                f'CUSTOM_GPU_KIND_{kind}'
                for kind in (
                    *('API', 'MDEV', 'PASSTHROUGH', 'SRIOV'),
                    'VENDOR_VFIO',
                )
            },
            kinds,
        )


def _offer(gpu: dict[str, Any]) -> dict[str, int]:
    offer = {
        'PGPU': gpu['PGPU'],
        'VGPU': gpu['VGPU'],
        'CUSTOM_GPU_API_SESSION': gpu['Sessions'],
        **gpu['Profiles'],
    }
    return {class_: n for class_, n in offer.items() if n is not None}


def _sets(gpus: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Count the sets that any card is in, class by class.

    None of them overlap on this host, so all can be had at once.
    """
    sets: dict[str, set[str]] = {}
    for gpu in gpus:
        for class_, names in gpu['Sets'].items():
            sets.setdefault(class_, set()).update(names)
    return {class_: len(names) for class_, names in sets.items()}
