"""The package has the files beside its code, where Git can't tell of them."""

import configparser
import pathlib
import unittest

_CLONE = pathlib.Path(__file__).parents[2]
_PACKAGE = _CLONE / 'nova_gpuvirt'


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.config = configparser.ConfigParser()
        self.config.read(_CLONE / 'setup.cfg')

    def test_files_beside_it_are_found(self):
        """pbr takes ``folder/*`` apart, and no other pattern."""
        lines = self.config['files']['data_files'].split('\n')
        sources = [line.partition(' = ')[2] for line in lines if line]
        self.assertTrue(sources)
        for source in sources:
            path = _CLONE / source.removesuffix('/*')
            is_whole = source.endswith('/*')
            self.assertTrue(
                path.is_dir() if is_whole else path.is_file(), source
            )

    def test_files_that_are_no_code_are_listed(self):
        listed = self.config['options.package_data']['nova_gpuvirt'].split()
        found = {
            str(path.relative_to(_PACKAGE))
            for path in _PACKAGE.rglob('*')
            if path.is_file()
            and path.suffix not in ('.py', '.pyc')
            and '__pycache__' not in path.parts
        }
        self.assertEqual(found, {*listed})
