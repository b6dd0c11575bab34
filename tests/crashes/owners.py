"""No device has two owners: neither in Nova, nor in libvirt."""

import collections

from nova_gpuvirt import model
from tests.functional import side as side_


def check(case):
    """Look at what instances claim, and at what guests have.

    :param case: the cloud
    """
    for host in case.computes:
        side = side_.Side(case, host)
        _check_claims(case, side)
        _check_guests(case, host)


def _check_claims(case, side):
    claimed = collections.defaultdict(set)
    for instance, resource in side.all_claims():
        slot = model.Slot.parse(resource.identifier)
        for part in slot.parts:
            claimed[part.place].add(instance)
    two = {place: who for place, who in claimed.items() if len(who) > 1}
    case.assertEqual({}, two, 'claimed twice')


def _check_guests(case, host):
    given = collections.defaultdict(set)
    for domain in [*case.connection(host)._vms.values()]:
        server = {'id': domain.UUIDString()}
        for element in case.hostdevs(host, server):
            given[side_.device(element)].add(server['id'])
    two = {device: who for device, who in given.items() if len(who) > 1}
    case.assertEqual({}, two, 'given twice')
