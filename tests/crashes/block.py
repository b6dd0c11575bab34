"""One operation on one kind, in one cloud, for as many kills as there are."""

import json
import time

from tests.crashes import case
from tests.crashes import kinds
from tests.crashes import matrix
from tests.crashes import operations


class Block(case.CrashCase):
    """Kill in one operation until all was done, or something went wrong.

    :param known: the cells that were done, which grows
    :param report: called with a line of JSON for each
    :param until: when to begin no further one, as `time.monotonic` has it
    """

    def __init__(self, kind, operation, known, report, until):
        super().__init__('go')
        self._names = kind, operation
        self._known = known
        self._report = report
        self._until = until

    def go(self):
        """Do the block."""
        kind, operation = self._names
        self.begin(kinds.KINDS[kind], operations.OPERATIONS[operation])
        for cell in matrix.cells(kind, operation, self.steps()):
            if str(cell) in self._known or time.monotonic() > self._until:
                continue
            self._known.add(str(cell))
            begin = time.monotonic()
            told = {'cell': str(cell), 'error': None}
            try:
                outcome = self.kill(cell.step, cell.moment)
            except Exception as error:
                self._report(json.dumps(told | {'error': str(error)}))
                raise
            told |= {
                'reached': outcome.was_reached,
                'status': outcome.status,
                'left': outcome.left,
                'seconds': round(time.monotonic() - begin, 1),
            }
            self._report(json.dumps(told))
