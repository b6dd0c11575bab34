"""The profiles of GPU instances that cards of NVIDIA's have.

Each table is what ``nvidia-smi mig -lgip`` prints, as NVIDIA's MIG user guide
(A100) and users (H100, RTX PRO 6000) show it: name, id, starts, slices,
memory in GiB, then SM, DEC, ENC, CE, JPEG and OFA. The starts are those of
``-lgipp``, in the order in which the driver takes them (`gpu_instances`).
"""

from __future__ import annotations

from nova_gpuvirt.simulation.drivers import gpu_instances

_P = gpu_instances.GiProfile
_SMALL = (6, 4, 5, 0, 1, 2, 3)
_PAIRS = (6, 4, 0, 2)
_TWO = (4, 0, 2)
_HALF = (4, 0)
_QUARTERS = (0, 3, 6, 9)
_HALVES = (0, 6)

A100_40GB = (
    _P('1g.5gb', 19, _SMALL, 1, '4.75', 14, 0, 0, 1, 0, 0),
    _P('1g.5gb+me', 20, _SMALL, 1, '4.75', 14, 1, 0, 1, 1, 1),
    _P('1g.10gb', 15, _PAIRS, 2, '9.75', 14, 1, 0, 1, 0, 0),
    _P('2g.10gb', 14, _TWO, 2, '9.75', 28, 1, 0, 2, 0, 0),
    _P('3g.20gb', 9, _HALF, 4, '19.62', 42, 2, 0, 3, 0, 0),
    _P('4g.20gb', 5, (0,), 4, '19.62', 56, 2, 0, 4, 0, 0),
    _P('7g.40gb', 0, (0,), 8, '39.50', 98, 5, 0, 7, 1, 1),
)
H100_80GB = (
    _P('1g.10gb', 19, _SMALL, 1, '9.75', 16, 1, 0, 1, 1, 0),
    _P('1g.10gb+me', 20, _SMALL, 1, '9.75', 16, 1, 0, 1, 1, 1),
    _P('1g.20gb', 15, _PAIRS, 2, '19.62', 26, 1, 0, 1, 1, 0),
    _P('2g.20gb', 14, _TWO, 2, '19.62', 32, 2, 0, 2, 2, 0),
    _P('3g.40gb', 9, _HALF, 4, '39.50', 60, 3, 0, 3, 3, 0),
    _P('4g.40gb', 5, (0,), 4, '39.50', 64, 4, 0, 4, 4, 0),
    _P('7g.80gb', 0, (0,), 8, '79.25', 132, 7, 0, 8, 7, 1),
)
RTX_PRO_6000 = (
    _P('1g.24gb', 14, _QUARTERS, 3, '23.62', 46, 1, 1, 1, 1, 0),
    _P('1g.24gb+me', 21, _QUARTERS, 3, '23.62', 46, 1, 1, 1, 1, 1),
    _P('1g.24gb+gfx', 47, _QUARTERS, 3, '23.62', 46, 1, 1, 1, 1, 0),
    _P('1g.24gb+me.all', 65, _QUARTERS, 3, '23.62', 46, 4, 4, 1, 4, 1),
    _P('1g.24gb-me', 67, _QUARTERS, 3, '23.62', 46, 0, 0, 1, 0, 0),
    _P('2g.48gb', 5, _HALVES, 6, '47.38', 94, 2, 2, 2, 2, 0),
    _P('2g.48gb+gfx', 35, _HALVES, 6, '47.38', 94, 2, 2, 2, 2, 0),
    _P('2g.48gb+me.all', 64, _HALVES, 6, '47.38', 94, 4, 4, 2, 4, 1),
    _P('2g.48gb-me', 66, _HALVES, 6, '47.38', 94, 0, 0, 2, 0, 0),
    _P('4g.96gb', 0, (0,), 12, '95.12', 188, 4, 4, 4, 4, 1),
    _P('4g.96gb+gfx', 32, (0,), 12, '95.12', 188, 4, 4, 4, 4, 1),
)
