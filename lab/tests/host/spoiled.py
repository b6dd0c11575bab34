"""A test that the emulation of the virtual host has spoiled, once more.

QEMU emulates the processors of the virtual host, and what these emulate for
its guests. Now and then one of them gets an exception that it can't deliver,
and the host is reset in the midst of a test (``resets``). That is no answer
of what is tested. A second such end of the same test is one.
"""

from __future__ import annotations

from typing import Any

import testtools

from lab.steps import step


class SpoiledOnceTestCase(testtools.TestCase):
    """A test that begins again, once, if it failed for the emulation."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.exception_handlers.insert(0, (Exception, self._judge))

    def spoiled_by(self) -> str:
        """Tell what the emulation did meanwhile, nothing if it did well."""
        raise NotImplementedError

    def run(self, result: Any = None) -> Any:
        """Run the test, and again if it is to begin again."""
        self._may_begin_again = True
        answer = super().run(result)
        if not self._may_begin_again:
            with step(f'{self.id()}: once more'):
                answer = super().run(result)
        return answer

    def _judge(
        self,
        case: testtools.TestCase,
        result: testtools.TestResult,
        error: BaseException,
    ) -> None:
        spoiled = self.spoiled_by() if self._may_begin_again else ''
        if spoiled:
            self._may_begin_again = False
            # Whoever reads the log sees how often this happens.
            print(f'{error}\n{spoiled}', flush=True)
            return
        for kind, report in self.exception_handlers[1:]:
            if isinstance(error, kind):
                report(case, result, error)
                return
