"""vfio-user's messages are laid out as QEMU expects them."""

import errno
import struct
import unittest

from lab.host.vfio_user import protocol
from lab.host.vfio_user.protocol import Command
from lab.host.vfio_user.protocol import Flag


class ProtocolTest(unittest.TestCase):
    def test_a_header_parses_and_prints(self):
        raw = struct.pack('<HHIII', 7, 9, 32, 0x10, 0)
        header = protocol.Header.parse(raw)
        self.assertEqual(
            protocol.Header(7, Command.REGION_READ, 32, Flag.NO_REPLY), header
        )
        self.assertEqual(raw, bytes(header))

    def test_a_reply_has_the_number_of_its_request(self):
        request = protocol.Header(7, Command.REGION_READ, 32)
        header = protocol.Header.parse(protocol.reply(request, b'abcd'))
        self.assertEqual(7, header.id)
        self.assertEqual(Flag.REPLY, header.flags)
        self.assertEqual(20, header.size)

    def test_an_error_has_no_payload(self):
        request = protocol.Header(7, Command.REGION_READ, 32)
        raw = protocol.reply(request, b'abcd', errno.EINVAL)
        header = protocol.Header.parse(raw)
        self.assertEqual(len(raw), header.size)
        self.assertEqual(16, len(raw))
        self.assertEqual(Flag.REPLY | Flag.ERROR, header.flags)
        self.assertEqual(errno.EINVAL, header.error)

    def test_a_write_says_what_and_where(self):
        payload = struct.pack('<QII', 0x10, 7, 4) + b'abcd'
        self.assertEqual(
            (protocol.Access(0x10, 7, 4), b'abcd'), protocol.written(payload)
        )

    def test_many_writes_are_taken_apart(self):
        payload = struct.pack('<Q', 2)
        payload += struct.pack('<QII', 0x0, 0, 4) + b'abcd' + bytes(4)
        payload += struct.pack('<QII', 0x8, 0, 8) + b'efghijkl'
        self.assertEqual(
            [
                (protocol.Access(0x0, 0, 4), b'abcd'),
                (protocol.Access(0x8, 0, 8), b'efghijkl'),
            ],
            list(protocol.written_many(payload)),
        )

    def test_a_region_that_is_not_there_can_not_be_used(self):
        fields = struct.unpack('<IIIIQQ', protocol.region_info(4, 0))
        self.assertEqual((32, 0, 4, 0, 0, 0), fields)
        fields = struct.unpack('<IIIIQQ', protocol.region_info(0, 4096))
        self.assertEqual((32, 3, 0, 0, 4096, 0), fields)
