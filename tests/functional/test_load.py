"""64 requests at once on one host: none is lost, and nothing had twice.

`soak.py` asks for more rounds and more servers, by the environment:
``NOVA_GPUVIRT_ROUNDS`` and ``NOVA_GPUVIRT_MASS``.
"""

import collections
import functools
import os

from tests.functional import base
from tests.functional import crowd
from tests.functional import held_locks

_ROUNDS = int(os.environ.get('NOVA_GPUVIRT_ROUNDS', '1'))
_VFS = 48
_AT_ONCE = 64
# Of them: servers that go, those of one request for several, and those that
# are deleted while they are built.
_LEAVING = 24
_TOGETHER = 4
_REGRETTED = 4


class LoadTest(crowd.CrowdTestCase):
    def setUp(self):
        super().setUp()
        self.locks = self.useFixture(held_locks.HeldLocks())
        self.host = self.start_large_host('host1')
        self.vf = self.flavor(base.VGPU)

    def test_boots_and_deletes_at_once(self):
        before = self.host.snapshot()
        self.at_once([self.boot_one] * _LEAVING)
        servers = self.without_refused(self.settled(), _LEAVING)
        for _ in range(_ROUNDS):
            self.assert_each_has_one(servers)
            servers = self.one_round(servers)
        self.assert_each_has_one(servers)
        self.at_once([*map(self.leave, servers)])
        self.assert_each_has_one(self.settled(gone=servers))
        self.assertEqual(before, self.host.snapshot())
        self.assertEqual({}, self.locks.wrong())

    def one_round(self, servers):
        """Let some go and others come at once; return who is there then.

        Some find no room, since who goes is there for a while.
        """
        room = _VFS - len(servers)
        leaving = [*servers][:_LEAVING]
        requests = [
            *map(self.leave, leaving),
            *[self.boot_and_regret] * _REGRETTED,
            functools.partial(self.ask, self.vf, _TOGETHER),
        ]
        more = _AT_ONCE - len(requests)
        answers = self.at_once([*requests, *[self.boot_one] * more])
        regretted = answers[len(leaving) :][:_REGRETTED]
        there = self.settled(gone=[*leaving, *regretted])
        self.assertEqual(
            len(servers) - len(leaving) + more + _TOGETHER, len(there)
        )
        new = there.keys() - servers.keys()
        return self.without_refused(there, min(room, len(new)))

    def without_refused(self, there, room):
        """Delete those that were refused: few of those that had room.

        Two that are scheduled at once may choose the same last VF of a card,
        and Nova tries no other one of the host.
        """
        refused = self.refused(there)
        self.assertLessEqual(room * 3 / 4, len(there) - len(refused))
        self.at_once([*map(self.leave, refused)])
        return self.settled(gone=refused)

    def boot_one(self):
        return self.ask(self.vf)

    def boot_and_regret(self):
        server = self.ask(self.vf)
        self.api.delete_server(server)
        return server

    def leave(self, server):
        return functools.partial(self.api.delete_server, server)

    def assert_each_has_one(self, servers):
        """Each has a VF of its own, and all others are free."""
        self.assert_agreed()
        slots = collections.Counter(map(self.slot, servers.values()))
        self.assertEqual(set(), {s for s, n in slots.items() if n > 1})
        free = sum(self.totals('host1', 'VGPU').values())
        self.assertEqual(_VFS, free + len(servers))
