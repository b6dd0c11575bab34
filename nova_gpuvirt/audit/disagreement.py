"""What two sides say differently of one thing, and who puts it right."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping


class By(enum.Enum):
    """Who puts a disagreement right."""

    NOVA_COMPUTE = 'nova-compute'  # by itself; the command does it too
    COMMAND = 'nova-gpuvirt audit --fix'
    OPERATOR = 'operator'


@dataclasses.dataclass(frozen=True, slots=True)
class Disagreement:
    """One disagreement.

    `rule` is the name under which the administrator's guide has it. `where`
    is a card, a slot, a device or a provider, `who` a server, a guest or a
    consumer by its UUID, or several; empty where there is none. `says` is
    what each side says, by its name. `remedy` is what to do, or a command.
    """

    rule: str
    where: str
    who: str
    says: tuple[tuple[str, str], ...]
    by: By
    remedy: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two the same at two moments."""
        return self.rule, self.where, self.who

    def __str__(self) -> str:
        said = ', '.join(f'{side}: {what}' for side, what in self.says)
        who = f' ({self.who})' if self.who else ''
        return f'{self.rule}: {self.where}{who}: {said}'


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found, in order, and what it could not compare.

    `not_compared` tells for each side that could not be read why.
    """

    disagreements: tuple[Disagreement, ...] = ()
    not_compared: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def also_in(self, other: Comparison) -> Comparison:
        """Keep of this one what another one found too.

        What one of them could not compare nobody has seen twice.
        """
        known = {each.key for each in other.disagreements}
        return dataclasses.replace(
            self,
            not_compared={**other.not_compared, **self.not_compared},
            disagreements=tuple(
                each for each in self.disagreements if each.key in known
            ),
        )

    def __str__(self) -> str:
        return '\n'.join(
            [
                *map(str, self.disagreements),
                *(
                    f'not compared: {s}: {w}'
                    for s, w in self.not_compared.items()
                ),
            ]
        )
