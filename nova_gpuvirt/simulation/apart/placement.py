"""Placement, for a nova-compute in another process."""

from __future__ import annotations

import re
from typing import Any

import fixtures
import requests

from nova_gpuvirt.simulation.apart import wire

NAME = 'placement'

# What a path names: each such request is one of a kind.
_NAMES = re.compile(
    r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    r'|(?<=^/resource_classes/).+|(?<=^/traits/).+'
)
_VERBS = ('get', 'post', 'put', 'delete')


class Placement:
    """The control plane's side.

    :param fixture: Nova's, which asks the real application
    """

    def __init__(self, fixture: Any) -> None:
        self._fixture = fixture

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name a request that changes something."""
        if name == 'get':
            return None
        path = _NAMES.sub('*', args[0]).partition('?')[0]
        return f'placement {name.upper()} {path}'

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> Any:
        """Ask Placement, and return the parts of its answer."""
        asked = getattr(self._fixture, f'_fake_{name}')(None, *args, **kw)
        return asked.status_code, dict(asked.headers), asked.content


class RemotePlacement(fixtures.Fixture):
    """Placement, in place of the fixture of Nova's tests."""

    api = None

    def __init__(self, client: wire.Client) -> None:
        self._client = client

    def _setUp(self) -> None:  # noqa: N802 (the base class's name)
        for verb in _VERBS:
            self.useFixture(
                fixtures.MonkeyPatch(
                    'nova.scheduler.client.report.SchedulerReportClient.'
                    f'{verb}',
                    self._asked(verb),
                )
            )

    def _asked(self, verb: str) -> Any:
        def ask(report_client: Any, *args: Any, **kw: Any) -> Any:
            status, headers, content = self._client.call(
                NAME, verb, *args, **kw
            )
            answer = requests.Response()
            answer.status_code = status
            answer.headers.update(headers)
            answer._content = content
            return answer

        return ask
