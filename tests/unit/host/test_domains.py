"""Guests are listed with what they run with, and with what is defined."""

import unittest
import uuid

from nova_gpuvirt import model
from nova_gpuvirt.host import domains
from nova_gpuvirt.host import hypervisor

_MDEV = uuid.UUID('155d900f-4e14-4e4c-a73d-069cbf4541e6')
_VF = model.PciAddress.parse('0000:3b:00.4')
_GUEST = '255d900f-4e14-4e4c-a73d-069cbf4541e6'
_LIVE = f'<address uuid="{_MDEV}"/>'
_DEFINED = '<address domain="0x0000" bus="0x3b" slot="0x00" function="0x4"/>'


def _xml(address):
    return (
        '<domain><devices><disk><source><address bus="1"/></source></disk>'
        f'<hostdev><source>{address}</source></hostdev></devices></domain>'
    )


class LibvirtError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self._code = code

    def get_error_code(self):
        return self._code


class Domain:
    """A domain that runs with an mdev, and is defined with a VF."""

    def __init__(self, *, runs=True, persistent=True, error=None):
        self._runs = runs
        self._persistent = persistent
        self._error = error

    def isActive(self):
        return int(self._runs)

    def isPersistent(self):
        return int(self._persistent)

    def UUIDString(self):
        return _GUEST

    def XMLDesc(self, flags):
        if self._error is not None:
            raise LibvirtError(self._error)
        return _xml(_LIVE if self._runs and not flags else _DEFINED)


class DomainsTest(unittest.TestCase):
    def guests(self, *found):
        class Connection:
            def listAllDomains(self, flags):
                return found

        return hypervisor.Hypervisor(Connection).guests()

    def test_guest_that_runs_with_another_device_than_it_is_defined_with(self):
        live, defined = frozenset({_MDEV}), frozenset({_VF})
        self.assertEqual(
            (domains.Domain(_GUEST, True, live, defined),),
            self.guests(Domain()),
        )

    def test_guest_that_is_forgotten_when_it_ends(self):
        (guest,) = self.guests(Domain(persistent=False))
        self.assertIsNone(guest.defined)

    def test_guest_that_is_off(self):
        (guest,) = self.guests(Domain(runs=False))
        self.assertFalse(guest.runs)
        self.assertEqual(frozenset({_VF}), guest.has)
        self.assertEqual(guest.has, guest.defined)

    def test_guest_that_ended_meanwhile_is_left_out(self):
        self.assertEqual(1, len(self.guests(Domain(error=42), Domain())))

    def test_libvirt_that_does_not_answer_is_no_host_without_guests(self):
        with self.assertRaises(LibvirtError):
            self.guests(Domain(error=38))
