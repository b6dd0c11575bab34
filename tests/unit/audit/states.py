"""A host of which all sides agree, and how one of them is made to differ."""

import dataclasses

from nova_gpuvirt import model
from nova_gpuvirt.audit import compare
from nova_gpuvirt.audit import sides
from nova_gpuvirt.audit import view
from nova_gpuvirt.cards import size_rules
from tests.unit import functions

HOST = 'host1'
A, B, C, GONE = (
    model.PciAddress.parse(f'0000:{bus}:00.0')
    for bus in ('3b', '5e', '86', 'd8')
)
AUDIO = model.PciAddress.parse('0000:5e:00.1')
VFS = tuple(model.PciAddress.parse(f'0000:86:00.{n}') for n in (4, 5))
PROVIDERS = {
    'rp-a': A,
    'rp-b': B,
    'rp-c': C,
    'rp-f': model.FabricName(0),
}
SIZE = 'nvidia-t4-8q'
# What can be claimed, each by one server.
PLACES = {
    f'mdev:{A}/0@{SIZE}': ('rp-a', 'VGPU'),
    f'mdev:{A}/1@{SIZE}': ('rp-a', 'VGPU'),
    f'passthrough:{B}': ('rp-b', 'PGPU'),
    f'vendor-vfio:{VFS[0]}@{SIZE}': ('rp-c', 'VGPU'),
    f'vendor-vfio:{VFS[1]}@{SIZE}': ('rp-c', 'VGPU'),
}
MDEV, OTHER_MDEV, WHOLE, VF, _ = PLACES
REMEMBERED = frozenset({model.WHOLE, 'sriov'})


def held(server, place, *, is_kept=False):
    provider, rc = PLACES[place]
    return sides.Held(server, provider, model.Claim(rc, place), is_kept)


def allocation(consumer, place, server=None, **values):
    provider, rc = PLACES[place]
    return sides.Allocation(
        consumer, server or consumer, provider, rc, 1, **values
    )


def card(address, *companions, virtfns=(), shares=()):
    return model.Gpu(
        functions.function(address, virtfns=virtfns),
        tuple(map(functions.function, companions)),
        'NVIDIA',
        'T4',
        shares=shares,
    )


def share(kind, vgpus=(), **values):
    return model.Share(
        kind,
        size_rules.ONE_AT_A_TIME,
        profiles=(model.Profile(SIZE, 'T4-8Q', '1', 1),),
        vgpus=tuple(vgpus),
        **values,
    )


class State:
    """The sides of a host, which can be changed one by one.

    All agree as long as servers come and go through `add` alone.
    """

    def __init__(self):
        self.servers = {}
        self.claims = []
        self.tracked = []
        self.allocations = []
        self.guests = {}
        self.vgpus = {'mdev': [], 'vendor-vfio': []}
        self.dirt = []
        self.cards = {A, B, C}
        self.unreadable = frozenset()
        self.active = frozenset()
        self.kept = {}
        self.capacities = {
            ('rp-a', 'VGPU'): 2,
            ('rp-b', 'PGPU'): 1,
            ('rp-c', 'VGPU'): 2,
        }
        self.unread = {}
        self.providers = dict(PROVIDERS)
        self.missing_sides = set()

    def add(
        self,
        server,
        place,
        *,
        runs=True,
        guest=True,
        vm_state='active',
        is_settled=True,
        kept=None,
    ):
        """Add a server that has a place, as all sides have it.

        :param kept: what it has on the other side of its move
        """
        self.servers[server] = sides.Server(
            server, HOST, True, is_settled, vm_state=vm_state
        )
        self.hold(server, place)
        if kept is not None:
            self.hold(server, kept, is_kept=True, consumer=f'move-{server}')
        if guest:
            has = self.devices(server, place)
            self.guests[server] = sides.Guest(server, runs, has, has)

    def hold(self, server, place, *, is_kept=False, consumer=None):
        found = held(server, place, is_kept=is_kept)
        self.claims.append(found)
        self.tracked.append((found.provider, found.claim))
        self.allocations.append(
            allocation(
                consumer or server,
                place,
                server,
                is_move=consumer is not None,
            )
        )
        slot = found.claim.slot
        if slot.kind in self.vgpus:
            (device,) = self.devices(server, place)
            self.vgpus[slot.kind].append(model.Vgpu(device, SIZE, slot))
        else:
            self.dirt.append(sides.Dirty(str(slot.device), str(slot), server))

    def devices(self, server, place):
        """The devices that a guest has of a place."""
        return self.view().devices(held(server, place))

    def gpus(self):
        made = (
            card(
                A,
                shares=(share('mdev', self.vgpus['mdev'], device=A),),
            ),
            card(B, AUDIO),
            card(
                C,
                virtfns=VFS,
                shares=(share('vendor-vfio', self.vgpus['vendor-vfio']),),
            ),
        )
        return tuple(gpu for gpu in made if gpu.address in self.cards)

    def sides(self):
        found = sides.Sides(
            HOST,
            self.providers,
            self.servers,
            tuple(self.claims),
            frozenset(self.tracked),
            tuple(self.allocations),
            self.capacities,
            tuple(self.guests.values()),
            sides.Hardware(
                self.gpus(), self.unreadable, self.active, self.kept
            ),
            sides.Dirt(tuple(self.dirt), REMEMBERED),
            self.unread,
        )
        return dataclasses.replace(found, **dict.fromkeys(self.missing_sides))

    def view(self):
        return view.View(self.sides())

    def compare(self):
        return compare.compare(self.sides())

    def rules(self):
        """The names of the rules that find something."""
        return sorted({d.rule for d in self.compare().disagreements})

    def change_server(self, server, **values):
        self.servers[server] = dataclasses.replace(
            self.servers[server], **values
        )

    def change_guest(self, server, **values):
        self.guests[server] = dataclasses.replace(
            self.guests[server], **values
        )

    def forget(self, what, server):
        """Take from a side what it has of a server."""
        kept = {
            'claims': lambda each: each.server != server,
            'allocations': lambda each: each.server != server,
            'dirt': lambda each: each.server != server,
        }[what]
        setattr(self, what, list(filter(kept, getattr(self, what))))
