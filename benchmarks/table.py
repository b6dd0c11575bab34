"""What a benchmark found: figures beside a peer's, targets, and curves."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

import prettytable


class Measure(enum.Enum):
    """What a target is about."""

    OURS = 'ours'
    RATIO = 'ours / peer'
    SPEED_UP = 'peer / ours'


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A bound on what is measured: at most so much, or at least."""

    measure: Measure
    bound: float
    at_least: bool = False

    def __str__(self) -> str:
        sign = '≥' if self.at_least else '≤'
        return f'{self.measure.value} {sign} {self.bound:g}'


def at_most(bound: float) -> Target:
    """Bound our figure, in the row's unit."""
    return Target(Measure.OURS, bound)


def ratio_at_most(bound: float) -> Target:
    """Bound our figure by the peer's."""
    return Target(Measure.RATIO, bound)


def times_faster(bound: float) -> Target:
    """Ask for a figure so many times smaller than the peer's."""
    return Target(Measure.SPEED_UP, bound, at_least=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    :ivar peer: of the peer, None without one
    :ivar peer_is_more: whether the peer did not end, and its figure is what
        it had taken by then
    :ivar note: what a reader has to know to believe it
    """

    case: str
    unit: str
    ours: float
    peer: float | None = None
    target: Target | None = None
    peer_is_more: bool = False
    note: str = ''

    @property
    def speed_up(self) -> float | None:
        """How many times smaller our figure is than the peer's."""
        if self.peer is None or not self.ours:
            return None
        return self.peer / self.ours

    @property
    def ratio(self) -> float | None:
        """Our figure, in terms of the peer's."""
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Tell whether the target is met, None without one."""
        if self.target is None:
            return None
        value = {
            Measure.OURS: self.ours,
            Measure.RATIO: self.ratio,
            Measure.SPEED_UP: self.speed_up,
        }[self.target.measure]
        if value is None:
            return False
        if self.target.at_least:
            return value >= self.target.bound
        return value <= self.target.bound


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot, as points of x and y."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Plot:
    """A plot of curves; `name` is that of its file."""

    name: str
    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """All figures of one benchmark."""

    title: str
    rows: tuple[Row, ...]
    plots: tuple[Plot, ...] = ()

    def __str__(self) -> str:
        table = prettytable.PrettyTable(
            ['what', 'ours', 'peer', 'ours / peer', 'target', 'met', 'note'],
            align='l',
            max_width=48,
        )
        for row in self.rows:
            table.add_row(_cells(row))
        return f'{self.title}\n{table}'

    def to_json(self) -> str:
        """Print it for programs; `from_json` reads it."""
        return json.dumps(dataclasses.asdict(self), default=_enum, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Table:
        """Read what `to_json` printed."""
        data = json.loads(text)
        return cls(
            data['title'],
            tuple(_row(r) for r in data['rows']),
            tuple(_plot(p) for p in data['plots']),
        )


def _cells(row: Row) -> list[str]:
    more = '> ' if row.peer_is_more else ''
    fewer = '< ' if row.peer_is_more else ''
    return [
        row.case,
        f'{row.ours:.4g} {row.unit}',
        '' if row.peer is None else f'{more}{row.peer:.4g} {row.unit}',
        '' if row.ratio is None else f'{fewer}{row.ratio:.3g}',
        str(row.target or ''),
        {None: '', True: 'yes', False: 'NO'}[row.met],
        row.note,
    ]


def _enum(value: enum.Enum) -> Any:
    return value.value


def _row(data: dict[str, Any]) -> Row:
    target = data['target']
    if target is not None:
        target |= {'measure': Measure(target['measure'])}
        target = Target(**target)
    return Row(**data | {'target': target})


def _plot(data: dict[str, Any]) -> Plot:
    curves = tuple(
        Curve(c['label'], tuple((x, y) for x, y in c['points']))
        for c in data['curves']
    )
    return Plot(**data | {'curves': curves})
