"""Intel Data Center GPU Flex: 170 with one GPU a card, and 140 with two.

Ids, class, revision and the place of the first VF of the 170 are those of
Intel's media delivery guide, the quotas those that Intel's resource driver
for Kubernetes gives as profiles m8 and m6. How much an idle card has free
follows from the largest profiles in its history. Unverified: all BARs, the
subsystem and the switch of the 140, and how many VFs a 140 can have. The
170's own ports, which the PCI ID project does not name, are left out.
"""

from __future__ import annotations

import functools

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import i915
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import switch

_SWITCH = (0x1000, 0xC010)
_TOTAL = 31
_HIGH = description.BarKind.PREFETCHABLE_64
_M8 = i915.Quotas(
    ggtt=480 * parts.MIB,
    contexts=1024,
    doorbells=30,
    lmem=2000 * parts.MIB,
    exec_quantum_ms=8,
    preempt_timeout_us=16_000,
)
_M6 = i915.Quotas(
    ggtt=640 * parts.MIB,
    contexts=1024,
    doorbells=40,
    lmem=960 * parts.MIB,
    exec_quantum_ms=16,
    preempt_timeout_us=32_000,
)


def host_170() -> description.Host:
    """Describe two Intel Flex 170 with 8 VFs on each."""
    driver = functools.partial(
        i915.I915,
        total=_TOTAL,
        folder='prelim_iov',
        gt='gt',
        lmem=16_256 * parts.MIB,
        quotas=8 * (_M8,),
    )
    functions = _with_bmc()
    for number, (bus, numa_node) in enumerate(((0x4D, 0), (0xCA, 1))):
        root = _root_port(bus - 1, numa_node)
        gpu = _gpu(
            f'0000:{bus:02x}:00.0',
            root,
            device=0x56C0,
            memory=16 * parts.GIB,
            drm=(f'card{1 + number}', f'renderD{128 + number}'),
            driver=driver(card=f'card{1 + number}'),
        )
        functions += (root, gpu)
    return _host(functions)


def host_140() -> description.Host:
    """Describe an Intel Flex 140 with 6 VFs on each of its two GPUs."""
    return with_140s(1)


def with_140s(count: int) -> description.Host:
    """Describe so many Intel Flex 140, at most four."""
    driver = functools.partial(
        i915.I915,
        total=_TOTAL,
        folder='iov',
        gt='gt',
        lmem=6016 * parts.MIB,
        quotas=6 * (_M6,),
    )
    functions = _with_bmc()
    for card in range(count):
        bus = 0x4D + card * 0x20
        root = _root_port(bus, card // 2)
        upstream = _switch_port(f'0000:{bus + 1:02x}:00.0', root)
        functions += (root, upstream)
        for gpu in range(2):
            number = 2 * card + gpu
            above = _switch_port(f'0000:{bus + 2:02x}:{gpu:02x}.0', upstream)
            functions += (
                above,
                _gpu(
                    f'0000:{bus + 3 + gpu:02x}:00.0',
                    above,
                    device=0x56C1,
                    memory=8 * parts.GIB,
                    drm=(f'card{1 + number}', f'renderD{128 + number}'),
                    driver=driver(card=f'card{1 + number}'),
                ),
            )
    return _host(functions)


def _host(functions: list[description.Function]) -> description.Host:
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-31,64-95', '32-63,96-127'),
        mdev=False,
        kernel='5.15.0-50-generic',
        parameters={'i915/max_vfs': f'{_TOTAL}'},
    )


def _with_bmc() -> list[description.Function]:
    return [
        *parts.bmc_display(
            parts.root_port('0000:00:1c.0', 0xA190, numa_node=0),
            '0000:01:00.0',
            '0000:02:00.0',
            iommu_group=20,
        )
    ]


def _root_port(bus: int, numa_node: int) -> description.Function:
    return parts.root_port(
        f'0000:{bus:02x}:02.0', 0x347A, numa_node=numa_node, link=parts.GEN4
    )


def _switch_port(
    address: str, above: description.Function
) -> description.Function:
    return switch.port(
        address,
        _SWITCH,
        behind=above.address,
        numa_node=above.numa_node,
        link=parts.GEN4,
    )


def _gpu(
    address: str,
    above: description.Function,
    *,
    device: int,
    memory: int,
    drm: tuple[str, str],
    driver: i915.I915,
) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x8086,
        device=device,
        subsystem=(0x8086, 0x4905),
        class_code=description.DISPLAY,
        driver='i915',
        revision=8,
        behind=above.address,
        numa_node=above.numa_node,
        bars=_bars(memory),
        link=parts.GEN4,
        reset_method='flr bus',
        aer=True,
        drm=drm,
        vfs=description.VirtualFunctions(
            total=_TOTAL,
            device=device,
            bars=_bars(512 * parts.MIB),
            enabled=len(driver.quotas),
        ),
        pf_driver=driver,
    )


def _bars(memory: int) -> tuple[description.Bar, ...]:
    return (
        description.Bar(0, 16 * parts.MIB, _HIGH),
        description.Bar(2, memory, _HIGH),
    )
