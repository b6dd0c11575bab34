"""All pages are read, whichever cells answer."""

import types
import unittest

from nova_gpuvirt.explain import cloud


class _Servers:
    """A nova-api with pages of two, and a cell that does not answer.

    It shows the servers of that cell last on each page that has room, and
    finds none of them as a marker.
    """

    def __init__(self, known, silent):
        self.known = known
        self.silent = silent

    def list(self, marker, **options):
        if marker in self.silent:
            raise LookupError(marker)
        begin = self.known.index(marker) + 1 if marker else 0
        page = [_server(name) for name in self.known[begin : begin + 2]]
        if len(page) < 2:
            page += [_server(name, 'UNKNOWN') for name in self.silent]
        return page


def _server(name, status='ACTIVE'):
    return types.SimpleNamespace(id=name, status=status)


class AllOfTest(unittest.TestCase):
    def names(self, known, silent):
        return {s.id for s in cloud.all_of(_Servers(known, silent))}

    def test_all_cells_answer(self):
        self.assertEqual({*'abc'}, self.names([*'abc'], []))
        self.assertEqual(set(), self.names([], []))

    def test_cell_that_does_not_answer(self):
        for known in ('', 'a', 'ab', 'abc'):
            self.assertEqual({*known, *'xy'}, self.names([*known], [*'xy']))
