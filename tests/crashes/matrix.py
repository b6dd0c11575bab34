"""Each step of each operation on each kind, before and after it."""

import dataclasses
import re

from nova_gpuvirt.simulation.apart import gate
from tests.crashes import kinds
from tests.crashes import operations

# Steps of one name that are all alike, of which one is as good as another.
_ALIKE = re.compile(r'placement PUT /(resource_classes|traits)/\*')
_STEP = re.compile(r'(?P<name>.+)#(?P<number>\d+)@(?P<host>\w+)')


@dataclasses.dataclass(frozen=True)
class Cell:
    """Where nova-compute is killed."""

    kind: str
    operation: str
    step: gate.Step
    moment: gate.Moment

    def __str__(self):
        return '|'.join(
            (self.kind, self.operation, str(self.step), self.moment.value)
        )

    @classmethod
    def parse(cls, text):
        """Read one, as it is printed."""
        kind, operation, step, moment = text.split('|')
        found = _STEP.fullmatch(step)
        return cls(
            kind,
            operation,
            gate.Step(found['host'], found['name'], int(found['number'])),
            gate.Moment(moment),
        )


def blocks(pattern=''):
    """List what can be done with what: (kind, operation)."""
    return [
        (kind, operation)
        for operation, done in operations.OPERATIONS.items()
        for kind, described in kinds.KINDS.items()
        if done.is_for(described) and re.search(pattern, f'{kind}|{operation}')
    ]


def cells(kind, operation, steps):
    """List where nova-compute is killed, of the steps of one block.

    What is recorded in a file is seen before it is done, and not after: the
    next step is that.
    """
    return [
        Cell(kind, operation, step, moment)
        for step in steps
        for moment in gate.Moment
        if not (_ALIKE.match(step.name) and step.number > 1)
        and not (step.name.startswith('file ') and moment is gate.Moment.AFTER)
    ]
