"""Ten short random lives; ``make soak`` goes on with longer ones."""

import unittest

import ddt

from tests.functional.lives import rest
from tests.functional.lives import runs

_STEPS = 5
_FLEETS = runs.fleet_names()
# The seeds 0 to 9: two or three of each fleet.
_SEEDS = {
    fleet: [*range(n, 10, len(_FLEETS))] for n, fleet in enumerate(_FLEETS)
}


@unittest.skipUnless(rest.thread_pool_factory, 'needs native threads')
@ddt.ddt
class RandomLivesTest(unittest.TestCase):
    """Lives of each fleet in one cloud, from one to the next."""

    @ddt.data(*_FLEETS)
    def test_lives(self, fleet):
        results = []
        runs.lives(fleet, _SEEDS[fleet], _STEPS, results.append)
        self.assertEqual(_SEEDS[fleet], [r.seed for r in results])
        for result in results:
            self.assertIsNone(result.why, f'seed {result.seed}')
