"""The kernel's log is read from a position on, and its own words alone."""

import errno
import os
import string
import unittest
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.host import kmsg
from nova_gpuvirt.simulation.kernel import log

_XID = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.'
_OTHER = 'vfio-pci 0000:3b:00.0: not ready 65535ms after FLR; giving up'


class Base(unittest.TestCase):
    def setUp(self):
        self.log = log.Log()

    def read(self, start):
        return kmsg.read(self.log.records, start)


class PositionTest(Base):
    def test_end_is_where_to_begin(self):
        self.log.say(_XID)
        start, lines = self.read(None)
        self.assertEqual([], lines)
        self.log.say(_OTHER)
        start, lines = self.read(start)
        self.assertEqual([_OTHER], lines)
        self.assertEqual((start, []), self.read(start))

    def test_log_of_another_start_is_read_from_its_beginning(self):
        for _ in range(50):
            self.log.say('something')
        start, _ = self.read(None)
        self.log = log.Log()
        self.log.say(_XID)
        self.assertEqual((2, [_XID]), self.read(start))

    def test_log_without_a_record_is_no_error(self):
        self.assertEqual((0, []), kmsg.read(lambda: iter(()), 7))

    def test_flood_is_handed_back_in_parts_and_nothing_twice(self):
        for number in range(kmsg.MOST + 10):
            self.log.say(f'{_XID} {number}')
        start, first = self.read(0)
        _, second = self.read(start)
        self.assertEqual(kmsg.MOST, len(first))
        self.assertEqual(
            [f'{_XID} {n}' for n in range(kmsg.MOST + 10)],
            [*first, *second],
        )

    def test_nonsense_is_no_position(self):
        for start in (-1, '3', 2.5):
            with self.assertRaises(ValueError):
                self.read(start)


class LineTest(Base):
    def lines(self, *records):
        return kmsg.read(lambda: iter(records), 0)[1]

    def test_what_is_not_the_kernels_own_is_not_read(self):
        self.log.say(_XID, facility=1)
        self.assertEqual([], self.read(0)[1])

    def test_lines_of_other_things_stay_with_root(self):
        for text in (
            'Linux version 6.8.0',
            'e1000e 0000:00:1f.6: eth0: NIC Link is Up',
            'audit: NVRM: Xid (PCI:0000:3b:00): 79',
            'amdgpu 0000:c3:00.0: amdgpu: Process information: process a',
            'xe 0000:03:00.0: [drm] Initialized xe 1.1.0',
        ):
            self.log.say(text)
        self.assertEqual([], self.read(0)[1])

    def test_long_lines_are_cut(self):
        self.log.say(_XID + 'x' * 5000)
        (line,) = self.read(0)[1]
        self.assertEqual(500, len(line))

    def test_dictionary_is_no_text(self):
        record = f'3,7,99,-;{_OTHER}\n SUBSYSTEM=pci\n DEVICE=+pci:0\n'
        self.assertEqual([_OTHER], self.lines(record.encode()))

    def test_what_can_not_be_printed_does_not_leave(self):
        record = b'3,7,99,-;NVRM: Xid (PCI:\x1b[2J\x9b\r\xff)\n'
        (line,) = self.lines(record)
        self.assertTrue(line.isprintable(), repr(line))

    @given(st.lists(st.binary(max_size=200), max_size=5))
    def test_any_bytes_are_read(self, records):
        for start in (None, 0):
            end, lines = kmsg.read(lambda: iter(records), start)
            self.assertGreaterEqual(end, 0)
            self.assertTrue(all(line.isprintable() for line in lines))

    @given(st.text(string.printable + '\x1b\x85\u2028', max_size=60))
    def test_any_end_of_a_line_is_read(self, text):
        (line,) = self.lines(f'3,1,1,-;NVRM: Xid ({text}\n'.encode())
        self.assertTrue(line.isprintable())


class NodeTest(unittest.TestCase):
    """What read(2) says of /dev/kmsg."""

    def records(self, *answers):
        """List what is read until the end.

        :param answers: what read(2) returns, or raises
        """
        with (
            mock.patch.object(os, 'open', return_value=99) as opened,
            mock.patch.object(os, 'read', side_effect=answers),
            mock.patch.object(os, 'close') as closed,
        ):
            try:
                return list(kmsg.of_this_host())
            finally:
                closed.assert_called_once_with(99)
                self.assertTrue(opened.call_args.args[1] & os.O_NONBLOCK)

    def test_end_is_not_waited_for(self):
        self.assertEqual([b'a', b'b'], self.records(b'a', b'b', self.end()))

    def test_what_the_kernel_wrote_over_is_left_out(self):
        lost = OSError(errno.EPIPE, 'Broken pipe')
        self.assertEqual([b'b'], self.records(lost, b'b', self.end()))

    def test_refusal_is_told(self):
        with self.assertRaises(PermissionError):
            self.records(PermissionError(errno.EPERM, 'no'))

    def end(self):
        return BlockingIOError(errno.EAGAIN, 'no more')
