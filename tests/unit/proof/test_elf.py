"""A program linked statically is told from one that a loader starts."""

import pathlib
import struct
import sys
import unittest

import fixtures
import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt.proof import elf

_LOADER = b'/lib64/ld-linux-x86-64.so.2\0'


def program(*segments):
    """Write a program with segments of these types, and its loader's name."""
    size, start = 56, 64
    end = start + size * len(segments)
    header = b'\x7fELF\x02\x01'.ljust(32, b'\0') + struct.pack('<Q', start)
    header += b'\0' * 14 + struct.pack('<HH', size, len(segments))
    table = b''.join(
        struct.pack('<IIQQQQQQ', kind, 4, end, 0, 0, len(_LOADER), 0, 1)
        for kind in segments
    )
    return header.ljust(start, b'\0') + table + _LOADER


class ElfTest(unittest.TestCase):
    def read(self, content):
        folder = fixtures.TempDir()
        with folder:
            file = pathlib.Path(folder.path, 'program')
            file.write_bytes(content)
            return elf.interpreter(file)

    def test_loader_is_named_where_there_is_one(self):
        self.assertEqual(_LOADER[:-1].decode(), self.read(program(1, 6, 3, 1)))
        self.assertIsNone(self.read(program(1, 6)))

    def test_this_python(self):
        here = pathlib.Path(sys.executable).resolve()
        self.assertIn('ld-', elf.interpreter(here))

    def test_what_is_no_program(self):
        for content in (b'', b'#!/bin/sh', b'\x7fELF\x01\x01' + 90 * b'\0'):
            with self.assertRaisesRegex(ValueError, 'ELF'):
                self.read(content)

    @hypothesis.given(st.binary(max_size=200))
    def test_no_file_is_too_broken(self, rest):
        try:
            self.read(b'\x7fELF\x02\x01' + rest)
        except ValueError as error:
            self.assertIn('ELF', str(error))
