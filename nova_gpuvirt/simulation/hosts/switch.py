"""PCI Express switches: on cards with two GPUs, and on some with one."""

from __future__ import annotations

from nova_gpuvirt.simulation import description


def port(
    address: str,
    ids: tuple[int, int],
    *,
    behind: str,
    numa_node: int,
    link: description.Link,
) -> description.Function:
    """Describe one port of a switch, the upstream one or another.

    :param ids: vendor and device
    :param behind: the root port, or the upstream port
    """
    vendor, device = ids
    return description.Function(
        address=address,
        vendor=vendor,
        device=device,
        subsystem=(vendor, device),
        class_code=description.BRIDGE,
        driver='pcieport',
        behind=behind,
        numa_node=numa_node,
        link=link,
        aer=True,
    )
