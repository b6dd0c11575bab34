"""All functions of a bus are reset through VFIO, and all is closed again."""

import errno
import os
import pathlib
import re
import struct
import unittest

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.host import hot_reset

_DISPLAY = model.PciAddress.parse('0000:44:00.0')
_AUDIO = model.PciAddress.parse('0000:44:00.1')
_HEADER = pathlib.Path('/usr/include/linux/vfio.h')
_VIABLE = 1


class Vfio:
    """A kernel's VFIO, which notes what it is asked.

    :ivar refuses: what it refuses, with which errno
    """

    def __init__(self, place):
        self.place = place
        self.asked = []
        self.refuses = {}
        self.flags = _VIABLE
        self.version = 0
        self.has_v2 = 1

    def __call__(self, file, number, argument):
        name = os.readlink(f'/proc/self/fd/{file}').rpartition('/')[2]
        if isinstance(argument, bytearray):
            argument = bytes(argument)
        self.asked.append((name, number, argument))
        if number in self.refuses:
            code = self.refuses[number]
            raise OSError(code, os.strerror(code))
        return self.answer(number, argument, self.asked)

    def answer(self, number, argument, asked):
        match number:
            case hot_reset.GET_API_VERSION:
                return self.version
            case hot_reset.CHECK_EXTENSION:
                return self.has_v2
            case hot_reset.GROUP_GET_DEVICE_FD:
                return os.open(self.place / 'device', os.O_RDWR)
        return 0

    def ioctl(self, file, number, argument):
        found = self(file, number, argument)
        if number == hot_reset.GROUP_GET_STATUS:
            argument[:] = struct.pack('=II', 8, self.flags)
        return found


class HotResetTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.place / 'dev/vfio').mkdir(parents=True)
        for name in ('dev/vfio/vfio', 'dev/vfio/32', 'dev/vfio/33', 'device'):
            (self.place / name).touch()
        for address, group in ((_DISPLAY, 32), (_AUDIO, 33)):
            folder = self.place / f'sys/bus/pci/devices/{address}'
            folder.mkdir(parents=True)
            target = f'../../../../kernel/iommu_groups/{group}'
            (folder / 'iommu_group').symlink_to(target)
        self.vfio = Vfio(self.place)
        self.opened = self.files()

    def files(self):
        return sorted(os.listdir('/proc/self/fd'))

    def reset(self, *functions):
        hot_reset.reset(self.place, functions, self.vfio.ioctl)

    def refused(self, number, *functions):
        error = self.assertRaises(OSError, self.reset, *functions)
        self.assertEqual(number, error.errno, error)
        self.assertEqual(self.opened, self.files())
        return str(error)

    def test_kernel_is_asked_in_the_order_that_it_wants(self):
        self.reset(_DISPLAY, _AUDIO)
        self.assertEqual(
            [
                ('vfio', hot_reset.GET_API_VERSION),
                ('32', hot_reset.GROUP_GET_STATUS),
                ('32', hot_reset.GROUP_SET_CONTAINER),
                ('33', hot_reset.GROUP_GET_STATUS),
                ('33', hot_reset.GROUP_SET_CONTAINER),
                ('vfio', hot_reset.CHECK_EXTENSION),
                ('vfio', hot_reset.SET_IOMMU),
                ('32', hot_reset.GROUP_GET_DEVICE_FD),
                ('device', hot_reset.DEVICE_PCI_HOT_RESET),
            ],
            [(name, number) for name, number, _ in self.vfio.asked],
        )
        arguments = {number: found for _, number, found in self.vfio.asked}
        self.assertEqual(3, arguments[hot_reset.SET_IOMMU])
        self.assertEqual(
            b'0000:44:00.0\0', arguments[hot_reset.GROUP_GET_DEVICE_FD]
        )
        argument = arguments[hot_reset.DEVICE_PCI_HOT_RESET]
        size, flags, count, *groups = struct.unpack('=IIIii', argument)
        self.assertEqual((20, 0, 2), (size, flags, count))
        self.assertEqual(2, len({*groups}))
        self.assertEqual(self.opened, self.files())

    def test_group_that_functions_share_is_named_once(self):
        link = self.place / f'sys/bus/pci/devices/{_AUDIO}/iommu_group'
        link.unlink()
        link.symlink_to('../../../../kernel/iommu_groups/32')
        self.reset(_DISPLAY, _AUDIO)
        *_, (_, _, argument) = self.vfio.asked
        self.assertEqual((16, 0, 1), struct.unpack('=III', argument[:12]))

    def test_link_to_what_is_no_group_opens_nothing(self):
        link = self.place / f'sys/bus/pci/devices/{_AUDIO}/iommu_group'
        for target in ('../../x/vfio', '..', '32/', '../devices', '-1'):
            link.unlink()
            link.symlink_to(target)
            said = self.refused(errno.EINVAL, _AUDIO)
            self.assertIn('is in no IOMMU group', said)
            asked = [number for _, number, _ in self.vfio.asked]
            self.assertNotIn(hot_reset.GROUP_GET_STATUS, asked)

    def test_older_kernel_gets_the_older_iommu(self):
        self.vfio.has_v2 = 0
        self.reset(_DISPLAY)
        self.assertIn(('vfio', hot_reset.SET_IOMMU, 1), self.vfio.asked)

    def test_each_refusal_is_named_and_all_is_closed(self):
        for number, words in (
            (hot_reset.GET_API_VERSION, 'its version'),
            (hot_reset.GROUP_GET_STATUS, 'the state of IOMMU group 32'),
            (hot_reset.GROUP_SET_CONTAINER, 'taking IOMMU group 32'),
            (hot_reset.CHECK_EXTENSION, "VFIO's IOMMU"),
            (hot_reset.SET_IOMMU, "VFIO's IOMMU"),
            (hot_reset.GROUP_GET_DEVICE_FD, f'opening {_DISPLAY}'),
            (hot_reset.DEVICE_PCI_HOT_RESET, f'the bus of {_DISPLAY}'),
        ):
            self.vfio.refuses = {number: errno.EINVAL}
            found = self.refused(errno.EINVAL, _DISPLAY, _AUDIO)
            self.assertIn(words, found)
            self.assertIn('Invalid argument', found)

    def test_what_is_missing_is_named(self):
        for path, words in (
            ('dev/vfio/33', 'IOMMU group 33 (/dev/vfio/33)'),
            ('dev/vfio/vfio', 'opening VFIO (/dev/vfio/vfio)'),
        ):
            (self.place / path).unlink()
            found = self.refused(errno.ENOENT, _DISPLAY, _AUDIO)
            self.assertIn(words, found)
        (self.place / 'dev/vfio/vfio').touch()
        gone = model.PciAddress.parse('0000:45:00.0')
        self.assertIn(
            f'the IOMMU group of {gone}', self.refused(errno.ENOENT, gone)
        )

    def test_group_that_the_host_uses_and_another_api_are_refused(self):
        self.vfio.flags = 0
        self.assertIn('the host uses', self.refused(errno.EPERM, _DISPLAY))
        self.vfio.version = 1
        self.assertIn(
            'unknown version 1', self.refused(errno.EPROTO, _DISPLAY)
        )


@unittest.skipUnless(_HEADER.exists(), 'the kernel headers are not here')
class NumbersTest(unittest.TestCase):
    def test_they_are_those_of_the_kernel(self):
        text = _HEADER.read_text()
        for name in (
            *('GET_API_VERSION', 'CHECK_EXTENSION', 'SET_IOMMU'),
            *('GROUP_GET_STATUS', 'GROUP_SET_CONTAINER'),
            *('GROUP_GET_DEVICE_FD', 'DEVICE_PCI_HOT_RESET'),
        ):
            match = re.search(
                rf'#define VFIO_{name}\s+_IO\(VFIO_TYPE, VFIO_BASE \+ (\d+)\)',
                text,
            )
            number = (ord(';') << 8) + 100 + int(match[1])
            self.assertEqual(number, getattr(hot_reset, name), name)
