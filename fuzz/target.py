"""A target: what reads an input, and what may come of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

Inputs = Sequence[bytes]


class Broken(AssertionError):
    """What a parser returned is not what it read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A parser, or several that read the same.

    :ivar name: in letters, digits and dashes
    :ivar call: reads an input; raises `Broken` where what it made of it is
        not so
    :ivar parses: the functions that it covers, as ``folder.module.function``
        below nova_gpuvirt
    :ivar errors: what it may raise besides
    :ivar seeds: inputs that make sense
    :ivar longest: bytes of the longest input that is tried: less where what
        reads it is slow, and its time grows with the length alone
    :ivar share: how much slower it is than others, for how often it is fed
    """

    name: str
    call: Callable[[bytes], None]
    parses: tuple[str, ...]
    errors: tuple[type[Exception], ...] = ()
    seeds: Callable[[], Inputs] = lambda: ()
    longest: int = 64 << 10
    share: int = 1

    def feed(self, data: bytes) -> None:
        """Let it read an input.

        :raises Exception: what it may not raise
        """
        try:
            self.call(data)
        except Broken:
            raise
        except self.errors:
            return


def of_text(
    name: str,
    call: Callable[[str], object],
    parses: Sequence[str],
    seeds: Sequence[str],
    errors: tuple[type[Exception], ...] = (),
) -> Target:
    """Make a target that reads text; bytes that are none are replaced.

    So are they where the output of a command is read.
    """

    def read(data: bytes) -> None:
        call(data.decode(errors='replace'))

    def encoded() -> Inputs:
        return [seed.encode() for seed in seeds]

    return Target(name, read, tuple(parses), errors, encoded)


def check(is_so: bool, what: str) -> None:
    """Make sure of something.

    :raises Broken: with what is not so
    """
    if not is_so:
        raise Broken(what)
