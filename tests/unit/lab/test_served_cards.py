"""QEMU's requests are answered as a card would, on the bus and off it."""

import errno
import pathlib
import socket
import struct
import tempfile
import threading
import unittest

from lab.host import machine
from lab.host.vfio_user import cards
from lab.host.vfio_user import function
from lab.host.vfio_user import protocol
from lab.host.vfio_user import server
from lab.host.vfio_user.protocol import Command

_CONFIG = protocol.Region.CONFIG
_T4 = cards.CARDS[0]


class ServedCardTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        self.off = path / 'off'
        self.stuck = path / 'stuck'
        self.served = server.Server(
            function.Function(_T4, self.off, self.stuck), path / 'sock'
        )
        threading.Thread(target=self.served.serve, daemon=True).start()
        self.qemu = socket.socket(socket.AF_UNIX)
        self.qemu.connect(str(path / 'sock'))
        self.addCleanup(self.qemu.close)

    def ask(self, command, payload=b''):
        size = protocol.HEADER_SIZE + len(payload)
        self.qemu.sendall(bytes(protocol.Header(1, command, size)) + payload)
        header = protocol.Header.parse(
            self.qemu.recv(protocol.HEADER_SIZE, socket.MSG_WAITALL)
        )
        left = header.size - protocol.HEADER_SIZE
        body = self.qemu.recv(left, socket.MSG_WAITALL) if left else b''
        return header.error, body

    def read(self, region, offset, count):
        access = protocol.Access(offset, region, count)
        error, body = self.ask(Command.REGION_READ, bytes(access))
        self.assertEqual(0, error)
        self.assertEqual(bytes(access), body[:16])
        return body[16:]

    def write(self, region, offset, data):
        access = protocol.Access(offset, region, len(data))
        error, _ = self.ask(Command.REGION_WRITE, bytes(access) + data)
        self.assertEqual(0, error)

    def test_it_says_who_it_is(self):
        self.assertEqual(b'\xde\x10\xb8\x1e', self.read(_CONFIG, 0, 4))

    def test_its_regions_are_its_bars_and_its_config_space(self):
        sizes = []
        for index in range(protocol.Region.VGA + 1):
            asked = struct.pack('<IIIIQQ', 32, 0, index, 0, 0, 0)
            _, body = self.ask(Command.DEVICE_GET_REGION_INFO, asked)
            sizes.append(struct.unpack('<IIIIQQ', body)[4])
        mib = 1 << 20
        self.assertEqual(
            [16 * mib, 256 * mib, 0, 32 * mib, 0, 0, 0, 4096, 0], sizes
        )

    def test_its_memory_keeps_what_is_written(self):
        self.write(1, 4094, b'abcd')
        self.assertEqual(b'\0abcd\0', self.read(1, 4093, 6))
        self.assertEqual(bytes(4), self.read(3, 4094, 4))

    def test_a_region_that_is_not_there_is_refused(self):
        access = bytes(protocol.Access(0, 4, 4))
        self.assertEqual(
            (errno.EINVAL, b''), self.ask(Command.REGION_READ, access)
        )

    def test_an_unknown_request_is_refused(self):
        self.assertEqual((errno.EINVAL, b''), self.ask(99))

    def test_a_reset_clears_memory_and_config_space(self):
        self.write(0, 0, b'abcd')
        self.write(_CONFIG, 0x4, b'\x06\x00')
        self.ask(Command.DEVICE_RESET)
        self.assertEqual(bytes(4), self.read(0, 0, 4))
        self.assertEqual(bytes(2), self.read(_CONFIG, 0x4, 2))

    def test_a_function_level_reset_clears_them_too(self):
        self.write(0, 0, b'abcd')
        self.write(_CONFIG, 0x80, b'\x00\x80')
        self.assertEqual(bytes(4), self.read(0, 0, 4))

    def test_off_the_bus_it_is_all_ones_and_takes_nothing(self):
        self.write(0, 0, b'abcd')
        self.off.touch()
        self.assertEqual(b'\xff' * 4, self.read(_CONFIG, 0, 4))
        self.assertEqual(b'\xff' * 4, self.read(0, 0, 4))
        self.write(_CONFIG, 0x4, b'\x06\x00')
        self.off.unlink()
        self.assertEqual(bytes(2), self.read(_CONFIG, 0x4, 2))

    def test_back_on_the_bus_it_is_as_after_power_on(self):
        self.write(0, 0, b'abcd')
        self.off.touch()
        self.read(_CONFIG, 0, 4)
        self.off.unlink()
        self.assertEqual(b'\xde\x10', self.read(_CONFIG, 0, 2))
        self.assertEqual(bytes(4), self.read(0, 0, 4))

    def test_stuck_it_answers_no_more_after_a_reset(self):
        self.stuck.touch()
        self.assertEqual(b'\xde\x10', self.read(_CONFIG, 0, 2))
        self.write(_CONFIG, 0x80, b'\x00\x80')
        self.assertEqual(b'\xff\xff', self.read(_CONFIG, 0, 2))
        self.ask(Command.DEVICE_RESET)
        self.assertEqual(b'\xff\xff', self.read(_CONFIG, 0, 2))
        self.stuck.unlink()
        self.assertEqual(b'\xde\x10', self.read(_CONFIG, 0, 2))
        self.assertEqual(bytes(2), self.read(_CONFIG, 0x80, 2))


class CardsTest(unittest.TestCase):
    def test_every_card_has_its_place_in_the_machine(self):
        served = [card.served for card in machine.CARDS if card.served]
        self.assertEqual([card.name for card in cards.CARDS], served)
