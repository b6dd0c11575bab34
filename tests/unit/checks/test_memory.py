"""What libvirt may let guests lock, by its process or by its unit."""

import functools

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import memory
from nova_gpuvirt.simulation import hosts
from tests.unit.checks import subjects

_LIMITS = (
    'Limit                     Soft Limit           Hard Limit           '
    'Units     \n'
    'Max locked memory         {}              {}              bytes     \n'
)
_BOUNDED = _LIMITS.format(67108864, 67108864)
_ALL = 'Name:\tlibvirtd\nCapEff:\t000001ffffffffff\n'
# All but bit 24, CAP_SYS_RESOURCE (include/uapi/linux/capability.h).
_LESS = 'Name:\tlibvirtd\nCapEff:\t000001fffeffffff\n'
_UNIT = '[Service]\nLimitMEMLOCK=64M\n'


class MemoryTest(testtools.TestCase):
    def start(self):
        start = functools.partial(hosts.simulated, 't4')
        return self.useFixture(subjects.Checked(start))

    def test_a_process_with_the_capability_raises_any_limit(self):
        self.assertIsNone(memory.why_not_by_process(_ALL, _BOUNDED))

    def test_a_process_without_it_has_its_own_limit(self):
        why = memory.why_not_by_process(_LESS, _BOUNDED)
        self.assertIn('67108864 bytes', why)
        unlimited = _LIMITS.format('unlimited', 'unlimited')
        self.assertIsNone(memory.why_not_by_process(_LESS, unlimited))

    def test_a_unit(self):
        for more, may in (
            ((), True),
            (('CapabilityBoundingSet=CAP_NET_ADMIN',), False),
            (('CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_RESOURCE',), True),
            (('CapabilityBoundingSet=~CAP_SYS_RESOURCE',), False),
            (('CapabilityBoundingSet=~CAP_SYS_TIME',), True),
            (('CapabilityBoundingSet=',), False),
            (
                (
                    'CapabilityBoundingSet=CAP_NET_ADMIN',
                    'CapabilityBoundingSet=CAP_SYS_RESOURCE',
                ),
                True,
            ),
            (
                ('CapabilityBoundingSet=~CAP_SYS_RESOURCE',)
                + ('LimitMEMLOCK=infinity',),
                True,
            ),
            (
                ('CapabilityBoundingSet=~CAP_SYS_RESOURCE',)
                + ('LimitMEMLOCK=infinity', 'LimitMEMLOCK=1G'),
                False,
            ),
        ):
            texts = [_UNIT, '\n'.join(('[Service]', *more))]
            why = memory.why_not_by_unit(texts)
            self.assertEqual(may, why is None, more)

    def test_the_process_goes_before_the_unit(self):
        checked = self.start()
        folder = checked.root / 'proc/77'
        folder.mkdir()
        for name, text in (
            ('comm', 'virtqemud\n'),
            ('status', _LESS),
            ('limits', _BOUNDED),
        ):
            (folder / name).write_text(text)
        (found,) = memory.may_be_locked(checked.subject)
        self.assertIs(finding.Level.WARN, found.level)
        self.assertIn('67108864 bytes', found.found)

    def test_a_host_without_libvirt_tells_nothing(self):
        checked = self.start()
        (checked.root / 'usr/lib/systemd/system/libvirtd.service').unlink()
        self.assertRaises(
            finding.Unseen, list, memory.may_be_locked(checked.subject)
        )

    def test_without_cards_nothing_is_asked(self):
        start = functools.partial(hosts.simulated, 'none')
        checked = self.useFixture(subjects.Checked(start))
        (checked.root / 'usr/lib/systemd/system/libvirtd.service').unlink()
        (found,) = memory.may_be_locked(checked.subject)
        self.assertIs(finding.Level.PASS, found.level)

    def test_huge_pages_nowhere_are_no_complaint(self):
        (found,) = memory.huge_pages(self.start().subject)
        self.assertIs(finding.Level.PASS, found.level)
