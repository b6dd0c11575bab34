"""Which cards an entry of a document means. Pure."""

from __future__ import annotations

import dataclasses
import fnmatch
import re

from nova_gpuvirt import model

_WITHOUT_DOMAIN = re.compile(r'[0-9a-f?]{2}:[^:]*', re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Selector:
    """Globs, in any case; a card fits one of each kind that is given.

    `addresses` are of cards, or names of render nodes. A model's glob is of
    its name, or of its ids as ``10de:26b9``.
    """

    addresses: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    numa_nodes: tuple[int, ...] = ()

    def fits(self, gpu: model.Gpu) -> bool:
        """Tell whether a card is meant."""
        function = gpu.function
        models = [gpu.model]
        if function is not None:
            vendor, device = function.ids
            models.append(f'{vendor:04x}:{device:04x}')
        return (
            _fits(self.addresses, str(gpu.address))
            and _fits(self.vendors, gpu.vendor)
            and _fits(self.models, *models)
            and (
                not self.numa_nodes
                or (
                    function is not None
                    and function.numa_node in self.numa_nodes
                )
            )
        )


def address(text: str) -> str:
    """Read a glob of addresses, or one address as commands print it."""
    try:
        return str(model.parse_card(text))
    except ValueError:
        domain = '0000:' if _WITHOUT_DOMAIN.fullmatch(text) else ''
        return domain + text


def _fits(globs: tuple[str, ...], *names: str) -> bool:
    return not globs or any(
        fnmatch.fnmatchcase(name.lower(), glob.lower())
        for glob in globs
        for name in names
    )
