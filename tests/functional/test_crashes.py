"""nova-compute is killed in what it does, and nothing is lost or doubled.

``python -m tests.crashes`` does so at each step of each operation; here it is
each step once.
"""

from tests.crashes import case
from tests.crashes import kinds
from tests.crashes import operations
from tests.crashes import sample

_HOSTS = ('host1', 'host2')


class CrashTest(case.CrashCase):
    def test_mdevs(self):
        self.crash('mdev')

    def test_whole_cards(self):
        self.crash('whole')

    def test_vendor_vfio(self):
        self.crash('vendor-vfio')

    def test_virtual_functions(self):
        self.crash('vf')

    def crash(self, kind):
        """Do what is done with a kind, and kill in it."""
        done = [operations.OPERATIONS[n] for n in sample.operations(kind)]
        self.begin(kinds.KINDS[kind], done[0], _HOSTS)
        for name, self.operation in zip(
            sample.operations(kind), done, strict=True
        ):
            for cell in sample.cells(kind, name, self.steps()):
                outcome = self.kill(cell.step, cell.moment)
                self.assertTrue(outcome.was_reached, str(cell))
