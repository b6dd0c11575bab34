"""Where NVIDIA's driver lets vGPUs of one type begin in a card's memory.

Before Blackwell the ids are a table: NVIDIA's Virtual GPU Software User
Guide, appendix A.3. Since Blackwell the driver computes them
(``_kvgpumgrSetHeterogeneousResources_GB100`` in kernel_vgpu_mgr.c of NVIDIA's
open-gpu-kernel-modules), so that sizes that mix cost nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where vGPUs of one type may begin.

    :param size: how much of the memory each takes, in units of the ids
    """

    size: int
    ids: tuple[int, ...]

    def free(self, taken: Collection[range]) -> tuple[int, ...]:
        """List the ids at which nothing is in the way."""
        return tuple(
            i
            for i in self.ids
            if all(i + self.size <= t.start or t.stop <= i for t in taken)
        )

    def at(self, placement: int) -> range:
        """Tell what a vGPU takes that begins there."""
        return range(placement, placement + self.size)


# By the memory of a card in GB and the framebuffer of a type in GB.
GUIDE: Mapping[int, Mapping[int, tuple[int, ...]]] = {
    94: {
        94: (0,),
        47: (0, 47),
        23: (0, 24, 47, 71),
        15: (0, 32, 47, 79),
        11: (0, 12, 23, 36, 47, 59, 70, 83),
        6: (0, 17, 23, 41, 47, 64, 70, 88),
        4: (
            *(0, 7, 11, 19, 23, 31, 35, 43),
            *(47, 54, 58, 66, 70, 78, 82, 90),
        ),
    },
    80: {
        80: (0,),
        40: (0, 40),
        20: (0, 20, 40, 60),
        16: (0, 24, 40, 64),
        10: tuple(range(0, 80, 10)),
        8: (0, 12, 20, 32, 40, 52, 60, 72),
        5: tuple(range(0, 80, 5)),
        4: (
            *(0, 6, 10, 16, 20, 26, 30, 36),
            *(40, 46, 50, 56, 60, 66, 70, 76),
        ),
    },
    48: {
        48: (0,),
        24: (0, 24),
        16: (0, 32),
        12: (0, 12, 24, 36),
        8: (0, 16, 24, 40),
        6: tuple(range(0, 48, 6)),
        4: (0, 8, 12, 20, 24, 32, 36, 44),
        3: tuple(range(0, 48, 3)),
        2: (0, 4, 6, 10, 12, 16, 18, 22, 24, 28, 30, 34, 36, 40, 42, 46),
        # Of Ada's; others have room for 30 of them.
        1: (0, 5, 6, 11, 12, 17, 18, 23, 24, 29, 30, 35, 36, 41, 42, 47),
    },
}


def before_blackwell(memory: int, framebuffer: int) -> Places:
    """Look up the places of a type.

    :param memory: of the card, in GB
    :param framebuffer: of the type, in GB
    :raises LookupError: when the table has no such type
    """
    return Places(framebuffer, GUIDE[memory][framebuffer])


def since_blackwell(memory: int, framebuffer: int, most: int) -> Places:
    """Compute the places of a type.

    :param memory: of the card, or of a GPU instance, in GB
    :param most: of them the card, or the GPU instance, holds
    """
    # Those of 2 GB take three on a card of 96 GB.
    size = 3 if (memory, framebuffer) == (96, 2) else framebuffer
    return Places(size, tuple(memory * j // most for j in range(most)))
