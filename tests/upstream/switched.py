"""Nova's own test cases, on a host whose operator switched the driver.

They are Nova's classes, extended by what that operator does: compute_driver
names our class. Nova's tests replace methods of its own class by name; ours
inherits from it, so the replacements hold, and our overrides run.

With NOVA_GPUVIRT_BASELINE set in the environment, the same tests run on
Nova's own class: what fails then too is no fault of ours.
"""

import os
import pathlib
import sys
import unittest

import fixtures
from nova.virt.libvirt import driver as libvirt_driver

from nova_gpuvirt import novavirt
from nova_gpuvirt.compute import driver
from nova_gpuvirt.simulation import hosts

_BASELINE = bool(os.environ.get('NOVA_GPUVIRT_BASELINE'))
_DRIVER = (
    libvirt_driver.LibvirtDriver if _BASELINE else driver.GpuLibvirtDriver
)


class Switched:
    """Let a test case of Nova start computes with our driver."""

    def setUp(self):
        # Nova's wheel puts the file where its harness does not look.
        self.flags(
            api_paste_config=f'{sys.prefix}/etc/nova/api-paste.ini',
            group='wsgi',
        )
        # What the hosts of these tests have is what Nova's fake libvirt says.
        # With '/', ours would see the GPUs of the machine that runs the tests,
        # offer them on every host of the test, and refuse to start where Nova
        # is told to offer them; so the result would be the machine's. A host
        # without GPUs is what '/' is everywhere else, and nothing of ours
        # that an operator could configure is.
        root = self.useFixture(fixtures.TempDir()).path
        hosts.simulated('none', pathlib.Path(root))
        self.flags(sysfs_root=root, group='gpuvirt')
        super().setUp()

    def _setup_compute_service(self):
        super()._setup_compute_service()
        if not _BASELINE:
            novavirt.extend()
            self.flags(compute_driver='gpuvirt.GpuLibvirtDriver')

    def start_compute(self, *args, **kwargs):
        """Start nova-compute, and make sure of the class under test."""
        name = super().start_compute(*args, **kwargs)
        self.assertIs(_DRIVER, type(self.computes[name].driver))
        return name


def cases(module, into):
    """Extend every test case that a module of Nova's defines.

    :param module: the module
    :param into: the name of the module that gets them
    :returns: the extended classes, by name
    """
    return {
        name: type(name, (Switched, theirs), {'__module__': into})
        for name, theirs in vars(module).items()
        if isinstance(theirs, type)
        and issubclass(theirs, unittest.TestCase)
        and theirs.__module__ == module.__name__
    }
