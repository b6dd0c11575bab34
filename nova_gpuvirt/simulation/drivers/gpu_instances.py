"""Which GPU instances a card of NVIDIA's can have, and where they lie.

Sources: the tables of ``nvidia-smi mig -lgip`` and ``-lgipp`` that NVIDIA's
MIG user guide and users show. A card has a number of slices; a GPU instance
begins where its profile says, and takes of the card's engines for media. Its
number follows from its place, as in all but one of their examples: 0 is the
whole card, 1 and 2 its halves, 3 to 6 the halves of these, and so on. Which
place the driver takes first agrees with the guide's examples (it refuses
``-cgi 19,19,14,9`` and not ``9,19,14,19``); for ``1g.20gb`` it is a guess.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt.simulation.drivers import nvidia


@dataclasses.dataclass(frozen=True, slots=True)
class GiProfile:
    """A profile of GPU instances, as ``nvidia-smi mig -lgip`` lists it.

    :param number: its id
    :param starts: the slices at which one may begin, in the driver's order
    :param size: how many slices it takes
    :param memory: in GiB, as printed
    :param ofa: how many optical flow accelerators it takes, and `dec` how
        many decoders: a card has as many as its largest profile
    """

    name: str
    number: int
    starts: tuple[int, ...]
    size: int
    memory: str
    sm: int
    dec: int
    enc: int
    ce: int
    jpeg: int
    ofa: int

    @property
    def gigabytes(self) -> int:
        """Read from its name how much memory it has."""
        match = re.match(r'\d+g\.(\d+)gb', self.name)
        assert match is not None, self.name
        return int(match[1])


Profiles = Sequence[GiProfile]
"""Those of one card, in the order of its lists; the last is the whole."""


def named(profiles: Profiles, text: str) -> GiProfile | None:
    """Find a profile by its name or its id."""
    for profile in profiles:
        if text in (profile.name, str(profile.number)):
            return profile
    return None


def make(
    profiles: Profiles,
    made: Collection[nvidia.GpuInstance],
    profile: GiProfile,
    start: int | None = None,
) -> nvidia.GpuInstance | None:
    """Make one more GPU instance beside those that exist, if there is room.

    :param start: where it shall begin, None leaves it to the driver
    """
    whole = profiles[-1]
    beside = [p for i in made if (p := named(profiles, str(i.profile)))]
    for engine in ('dec', 'ofa'):
        taken = sum(getattr(p, engine) for p in (*beside, profile))
        if taken > getattr(whole, engine):
            return None
    for place in profile.starts if start is None else (start,):
        if place in profile.starts and all(
            place + profile.size <= i.start or i.start + i.size <= place
            for i in made
        ):
            return nvidia.GpuInstance(
                _number(whole, profile, place),
                profile.name,
                profile.number,
                place,
                profile.size,
                profile.gigabytes,
            )
    return None


def room(
    profiles: Profiles,
    made: Collection[nvidia.GpuInstance],
    profile: GiProfile,
) -> int:
    """Count how many more of a profile there is room for."""
    found = [*made]
    while one := make(profiles, found, profile):
        found.append(one)
    return len(found) - len(made)


def in_order(
    profiles: Profiles, made: Collection[nvidia.GpuInstance]
) -> nvidia.GpuInstances:
    """Put GPU instances in the order of the list, by profile and number."""
    order = [profile.number for profile in profiles]
    return nvidia.GpuInstances(
        tuple(sorted(made, key=lambda i: (order.index(i.profile), i.number)))
    )


def instances(
    profiles: Profiles, *names: str, mixed: bool = False
) -> nvidia.GpuInstances:
    """Describe what ``nvidia-smi mig -cgi`` makes of an empty card.

    :param names: of profiles, or their ids
    :param mixed: whether sizes mix in each
    """
    made: list[nvidia.GpuInstance] = []
    for name in names:
        profile = named(profiles, name)
        assert profile is not None, name
        one = make(profiles, made, profile)
        assert one is not None, name
        made.append(dataclasses.replace(one, mixed=mixed))
    return in_order(profiles, made)


def _number(whole: GiProfile, profile: GiProfile, start: int) -> int:
    return whole.size // profile.size - 1 + start // profile.size
