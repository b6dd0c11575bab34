"""Measure in a cloud: Nova and Placement in this process, simulated hosts."""

from __future__ import annotations

# Nova's functional tests choose between eventlet and threads when they are
# imported, so they have to be first.
import nova.tests.functional  # isort: skip # noqa: F401

import sys
import unittest
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import fixtures

from nova_gpuvirt.simulation import cloud
from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import own_cells


class Cloud(cloud.Cloud):
    """A cloud, for as long as a function measures in it."""

    def __init__(self, measure: Callable[[Cloud], Any]) -> None:
        super().__init__('run_measure')
        self._measure = measure

    def run_measure(self) -> None:
        """Let the function measure."""
        self._measure(self)

    def start(self, name: str, host: description.Host) -> Any:
        """Start nova-compute on a host and return its driver."""
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.simulation.hosts.HOSTS',
            {**hosts.HOSTS, name: lambda: host},
        ):
            self.start_gpu_host(name, name)
        return self.computes[name].manager.driver

    def boot(self, spec: dict[str, str], **kwargs: Any) -> Any:
        """Boot a small server with a flavor of these extra specs."""
        flavor = self._create_flavor(
            memory_mb=256, vcpu=1, disk=1, ephemeral=0, extra_spec=spec
        )
        return self._create_server(flavor_id=flavor, networks='none', **kwargs)


T = TypeVar('T')


class Crowded(Cloud):
    """A cloud in which requests come at once, and nobody waits for them."""

    CAST_AS_CALL = False

    def setUp(self) -> None:
        """Start the control plane, each thread of which has its own cell."""
        self.useFixture(own_cells.OwnCells())
        super().setUp()


def measure(function: Callable[[Cloud], T], kind: type[Cloud] = Cloud) -> T:
    """Call a function with a new cloud, and return what it returns."""
    found: list[T] = []
    result = unittest.TestResult()
    kind(lambda cloud: found.append(function(cloud))).run(result)
    for _, traceback in (*result.errors, *result.failures):
        print(traceback, file=sys.stderr)
    if not result.wasSuccessful():
        raise RuntimeError('the cloud failed')
    return found[0]
