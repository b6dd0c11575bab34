"""The tests, whose temporary files are in memory where there is room."""

import tempfile

from nova_gpuvirt.simulation import simulated

tempfile.tempdir = simulated.memory()
