"""What vendors' commands answered last, for who need not ask anew."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt.host import commands


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, or why it did not.

    :ivar at: when, on the clock
    """

    at: float
    text: str
    failure: commands.CommandFailed | None = None


class Answers:
    """The last answer to each question that was asked through it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[tuple[str, ...], Answer] = {}

    def ask(self, run: commands.Run, argv: Sequence[str]) -> str:
        """Run a command, and keep what it answers.

        :raises CommandFailed: as it does
        """
        try:
            text = run(argv)
        except commands.CommandFailed as error:
            self._keep(argv, '', error)
            raise
        self._keep(argv, text)
        return text

    def last(self, argv: Sequence[str], seconds: float) -> Answer | None:
        """Give the last answer, None where it is older or there is none."""
        answer = self._last.get(tuple(argv))
        if answer is None or self._clock() - answer.at > seconds:
            return None
        return answer

    def _keep(
        self,
        argv: Sequence[str],
        text: str,
        failure: commands.CommandFailed | None = None,
    ) -> None:
        self._last[tuple(argv)] = Answer(self._clock(), text, failure)
