"""nova-compute is killed in what it does, and nothing is lost or doubled.

``python -m tests.crashes`` does so at each step of each operation; here it is
each step once.
"""

import unittest

import ddt

from tests.crashes import case
from tests.crashes import kinds
from tests.crashes import operations
from tests.crashes import sample
from tests.functional.lives import rest


@unittest.skipUnless(rest.thread_pool_factory, 'needs native threads')
@ddt.ddt
class CrashTest(case.CrashCase):
    @ddt.data(*sample.BLOCKS)
    @ddt.unpack
    def test_kills(self, kind, operation):
        self.begin(kinds.KINDS[kind], operations.OPERATIONS[operation])
        for cell in sample.cells(kind, operation, self.steps()):
            outcome = self.kill(cell.step, cell.moment)
            self.assertTrue(outcome.was_reached, str(cell))
