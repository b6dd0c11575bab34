"""A look at a host decides claims, and simulated ones say what they are."""

import errno
import pathlib

import fixtures
import testtools

from nova_gpuvirt import gpus
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.proof import facts
from nova_gpuvirt.proof import questions
from nova_gpuvirt.simulation import hosts


class FactsTest(testtools.TestCase):
    def words(self, kind, break_mode=None):
        """What a host says of each claim."""
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        host = hosts.simulated(kind, root)
        seen = machine.Machine(
            sysfs.Sysfs(root), pciids.PciIds([root]), hypervisor.Absent()
        )
        every = gpus.Gpus(seen, operator_filter.OperatorFilter())
        found = every.survey(refresh=True)
        if break_mode is not None:
            card = next(g for g in found.gpus if g.function.driver == 'gim')
            host.break_file(
                str(card.address), 'spatial_partition_mode', break_mode
            )
            found = every.survey(refresh=True)
        decided = facts.decided(seen.sysfs, found.gpus)
        listed = {q.name for q in questions.QUESTIONS}
        self.assertLessEqual({v.question for v in decided}, listed)
        return {v.question: v.word for v in decided}

    def test_vfs_of_nvidia(self):
        # A simulated file that can't be read fails with ELOOP.
        self.assertEqual(
            {'vf-lists-time': 'seen', 'vf-ids-before': 'contradicted'},
            self.words('l40s'),
        )
        too_long = iter(range(0, 1000, 2))
        self.patch(facts.time, 'monotonic', lambda: next(too_long))
        self.patch(errno, 'ENXIO', errno.ELOOP)
        self.assertEqual(
            {'vf-lists-time': 'contradicted', 'vf-ids-before': 'seen'},
            self.words('l40s'),
        )

    def test_modes_of_gim(self):
        self.assertEqual({'gim-modes': 'seen'}, self.words('mi300x'))
        self.assertEqual(
            {'gim-modes': 'contradicted'}, self.words('mi300x', 'mode 8\n')
        )

    def test_other_hosts_decide_nothing(self):
        for kind in ('none', 't4', 'vgem', 'flex170'):
            self.assertEqual({}, self.words(kind))
