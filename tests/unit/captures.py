"""Captures of real hosts' sysfs, as fixtures."""

import pathlib
import tarfile

import fixtures

FOLDER = pathlib.Path(__file__).parent.parent / 'fixtures/captures'


class Capture(fixtures.Fixture):
    """A capture, unpacked below `root`."""

    def __init__(self, name):
        self._archive = FOLDER / name / 'sysfs.tar.gz'

    def _setUp(self):
        folder = fixtures.TempDir()
        self.root = pathlib.Path(self.useFixture(folder).path)
        with tarfile.open(self._archive) as archive:
            # Not as an argument: the Python of Debian 12 has none such.
            archive.extraction_filter = getattr(tarfile, 'tar_filter', None)
            archive.extractall(self.root)
