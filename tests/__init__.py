"""The tests, whose temporary files are in memory where there is room."""

import tempfile

from nova_gpuvirt.testing import simulated

tempfile.tempdir = simulated.memory()
