import errno
import pathlib
import threading

import fixtures
import testtools

from nova_gpuvirt.simulation.apart import gate
from nova_gpuvirt.simulation.apart import libvirt
from nova_gpuvirt.simulation.apart import wire

_NAME = 'things'


class _Things:
    """Something that can be called."""

    def __init__(self):
        self.threads = set()

    def step(self, name, args):
        return None if name == 'read' else name

    def call(self, name, args, kw):
        self.threads.add(threading.get_ident())
        if name == 'refuse':
            raise OSError(errno.EBUSY, 'busy')
        if name == 'odd':
            raise _Odd
        return name, args, kw


class _Odd(Exception):
    def __reduce__(self):
        raise TypeError('not to be sent')


class WireTest(testtools.TestCase):
    """A caller and who is called, of one process for once."""

    def setUp(self):
        super().setUp()
        self.gate = gate.Gate()
        self.things = _Things()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.domain = _Domain()
        server = wire.Server(
            folder,
            'host1',
            {
                _NAME: self.things,
                libvirt.NAME: libvirt.Libvirt(_Connection(self.domain)),
            },
            self.gate,
        )
        self.addCleanup(server.close)
        self.client = wire.Client(server.address)

    def test_answer(self):
        self.assertEqual(
            ('write', (1, 'two'), {'three': 3}),
            self.client.call(_NAME, 'write', 1, 'two', three=3),
        )

    def test_error_is_raised_as_it_is(self):
        error = self.assertRaises(OSError, self.client.call, _NAME, 'refuse')
        self.assertEqual(errno.EBUSY, error.errno)

    def test_error_that_can_not_be_sent_is_named(self):
        error = self.assertRaises(RuntimeError, self.client.call, _NAME, 'odd')
        self.assertIn('_Odd', str(error))

    def test_calls_of_two_threads_do_not_wait_for_each_other(self):
        self.client.call(_NAME, 'read')
        other = threading.Thread(target=self.client.call, args=[_NAME, 'read'])
        other.start()
        other.join(10)
        self.assertEqual(2, len(self.things.threads))

    def test_only_what_does_not_read_is_a_step(self):
        self.gate.watch()
        self.client.call(_NAME, 'read')
        self.client.call(_NAME, 'write')
        self.assertEqual((gate.Step('host1', 'write', 1),), self.gate.end())

    # libvirt

    def test_domain_stays_on_the_other_side(self):
        connection = libvirt.connection(self.client)
        (first,) = connection.listAllDomains(0)
        self.assertEqual('instance-1', first.name())
        self.gate.watch()
        connection.lookupByName('instance-1').destroy()
        self.assertTrue(self.domain.is_destroyed)
        self.assertEqual(
            (gate.Step('host1', 'libvirt _Domain.destroy', 1),),
            self.gate.end(),
        )


class _Connection:
    def __init__(self, domain):
        self._domain = domain

    def listAllDomains(self, flags):
        return [self._domain]

    def lookupByName(self, name):
        return self._domain


class _Domain:
    is_destroyed = False

    def name(self):
        return 'instance-1'

    def destroy(self):
        self.is_destroyed = True
