"""What `nova-gpuvirt discover` prints for people can be read at 80 columns.

All simulated hosts are looked at, and a large one.
"""

import argparse
import contextlib
import dataclasses
import functools
import io
import re
import unittest
from unittest import mock

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cli import overview
from nova_gpuvirt.cli import shell
from nova_gpuvirt.cli import where
from nova_gpuvirt.simulation import hosts

WIDTHS = (80, 120)

# A word of hexadecimal digits and colons: an address, or what is left of one.
_LIKE_AN_ADDRESS = re.compile(
    r'\b[0-9a-f]{4}:[0-9a-f:.]*|\b[0-9a-f]{2}\.[0-7]\b'
)
_ADDRESS = re.compile(r'[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]')
_IDS = re.compile(r'[0-9a-f]{4}:[0-9a-f]{4}')
_ROOT_BUS = re.compile(r'[0-9a-f]{4}:[0-9a-f]{2}')

# These are shared as they are meant to be: none has anything to complain of.
HEALTHY = (
    *('a100-mig', 'a40', 'alder-lake', 'b50', 'b60', 'domain-1', 'flex140'),
    *('flex170', 'gvtg', 'gvtg-1g', 'h100-mig', 'l40s', 'mi300x', 'mixed'),
    *('rtx-pro-6000', 'rtx-pro-6000-mig', 's7150x2', 't4', 'v710', 'vgem'),
)


@functools.cache
def found(name):
    """What is found on a simulated host."""
    args = argparse.Namespace(simulate=name, root='/', accelerator=[])
    with contextlib.ExitStack() as stack:
        return gpus.survey(where.find(args, stack))


def large():
    """Eight cards with 48 VFs each."""
    (card,) = found('rtx-pro-6000').gpus
    cards = []
    for number in range(8):

        def moved(address, bus=0x10 * (number + 1)):
            return dataclasses.replace(address, bus=bus + address.bus % 0x10)

        function = dataclasses.replace(
            card.function,
            address=moved(card.function.address),
            virtfns=tuple(map(moved, card.virtfns)),
        )
        cards.append(dataclasses.replace(card, function=function))
    return discovery.Host(tuple(cards), {}, has_iommu=True)


def shown(host, *arguments):
    """What the command prints of a host."""
    out = io.StringIO()
    with (
        mock.patch.object(gpus, 'survey', return_value=host),
        contextlib.redirect_stdout(out),
    ):
        status = shell.main(['discover', '--simulate', 'none', *arguments])
    assert status == 0, arguments
    return out.getvalue()


def at(width):
    return f'--max-width={width}'


class LegibleTest(unittest.TestCase):
    def assert_fits(self, text, width):
        for line in text.splitlines():
            self.assertLessEqual(len(line), width, text)

    def assert_addresses_are_whole(self, text):
        for word in _LIKE_AN_ADDRESS.findall(text):
            word = word.rstrip(':.')
            self.assertTrue(
                any(
                    form.fullmatch(word)
                    for form in (_ADDRESS, _IDS, _ROOT_BUS)
                ),
                f'{word}\n{text}',
            )

    def test_list_of_each_host(self):
        for name in hosts.names():
            host = found(name)
            for width in WIDTHS:
                text = shown(host, at(width))
                self.assert_fits(text, width)
                self.assert_addresses_are_whole(text)
                for gpu in host.gpus:
                    self.assertIn(f'\n| {gpu.address} ', text, name)

    def test_list_has_few_columns(self):
        self.assertLessEqual(len(overview.SHORT), 7)
        names = shown(found('t4'), at(80)).splitlines()[1]
        self.assertEqual(len(overview.SHORT), names.count('|') - 1)

    def test_long_list_breaks_no_address(self):
        for name in hosts.names():
            text = shown(found(name), '--long', at(80))
            for gpu in found(name).gpus:
                for device in (
                    gpu.address,
                    *(f.address for f in gpu.companions),
                ):
                    self.assertRegex(
                        text, rf'\| {re.escape(str(device))} ', name
                    )

    def test_large_host_is_one_screen(self):
        host = large()
        self.assertEqual(8 * 48, sum(len(g.virtfns) for g in host.gpus))
        text = shown(host, at(80))
        self.assert_fits(text, 80)
        self.assertLess(text.count('\n'), 32)
        for gpu in host.gpus:
            self.assertIn(f'| {gpu.address} ', text)

    def test_many_profiles_are_counted(self):
        text = shown(found('l40s'), at(80))
        self.assertIn('2 nvidia-l40s-24q', text)
        self.assertIn('22 others, 1-48 GiB', text)

    def test_profiles_of_which_none_is_left_are_told_apart(self):
        text = shown(found('a100-mig'), at(120))
        self.assertIn('2 of 4 others, 10-20 GiB', text)

    def test_each_card_alone(self):
        for name in hosts.names():
            host = found(name)
            for gpu in host.gpus:
                for width in WIDTHS:
                    text = shown(host, str(gpu.address), at(width))
                    self.assert_fits(text, width)
                    self.assert_addresses_are_whole(text)
                    self.assertIn(f'| {gpu.address} ', text)
                self.assert_all_is_told(gpu, text)

    def assert_all_is_told(self, gpu, text):
        words = set(re.findall(r'[\w:.-]+', text))
        for share in gpu.shares:
            for profile in offers.parts_of(share):
                self.assertIn(profile.resource_class, words)
        for function in gpu.companions:
            self.assertIn(str(function.address), words)
        for vf in gpu.virtfns[:1] + gpu.virtfns[-1:]:
            self.assertIn(str(vf), words)
        for why in (gpu.refusal, gpu.withheld, gpu.alone_refusal):
            if why is not None:
                self.assertIn(' '.join(why.split()), ' '.join(text.split()))
        if gpu.refusal is None and gpu.withheld is None and gpu.why_not_whole:
            self.assertIn(gpu.why_not_whole, ' '.join(text.split()))

    def test_what_is_normal_is_no_complaint(self):
        for name in HEALTHY:
            below = shown(found(name), at(80)).rpartition('+\n')[2]
            told = [
                line for line in below.splitlines() if 'management' not in line
            ]
            self.assertIn(told, ([], ['Not offered:']), name)

    def test_reason_of_many_cards_is_told_once(self):
        text = shown(found('hgx-h100'), at(80))
        self.assertEqual(1, text.count('sriov-manage -e ADDRESS'))
        self.assertIn('Not in parts:\n  0000:0f:00.0, 0000:11:00.0', text)
        text = shown(found('h100'), at(80))
        self.assertEqual(1, text.count('FABRIC_MODE'))

    def test_each_unreadable_card_is_told(self):
        cards = [model.PciAddress(0, bus, 0, 0) for bus in (1, 2)]
        host = discovery.Host((), dict.fromkeys(cards, 'class: EIO'), True)
        text = shown(host, at(80))
        self.assertIn(
            'Not offered:\n  0000:01:00.0, 0000:02:00.0: class: EIO', text
        )

    def test_not_whole_and_not_offered_are_told_apart(self):
        text = shown(found('alder-lake-no-vfs'), at(80))
        parts, whole = text.split('Not whole:')
        self.assertIn(
            'Not in parts:\n  0000:00:02.0: i915.max_vfs is 0', parts
        )
        self.assertIn("it is the firmware's boot VGA", whole)
        self.assertNotIn('boot VGA', parts)
        text = shown(found('off-bus'), at(80))
        self.assertIn('0000:5e:00.0: it answers with nothing but ones', text)
        self.assertNotIn('Not whole', text)


class OneCardTest(unittest.TestCase):
    def card(self, name, text, *arguments):
        return shown(found(name), text, at(80), *arguments)

    def refusal(self, name, text):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            status = shell.main(['discover', '--simulate', name, text])
        self.assertEqual(1, status)
        return err.getvalue()

    def test_it_is_found_by_each_of_its_names(self):
        for name, card, others in (
            ('t4', '0000:3b:00.0', ('3b:00.0', '3B:00.0', '00000000:3B:00.0')),
            ('l40s', '0000:41:00.0', ('0000:41:00.4', '41:04.3')),
            ('workstation', '0000:01:00.0', ('01:00.1', 'renderD129')),
            ('vgem', 'renderD128', ()),
        ):
            text = self.card(name, card)
            self.assertIn('| Address ', text)
            self.assertIn(f' {card} ', text.splitlines()[3])
            for other in others:
                self.assertEqual(text, self.card(name, other), other)

    def test_others_are_refused_with_what_there_is(self):
        self.assertIn(
            'ADDRESS: wanted a GPU of this host, found 0000:99:00.0; there '
            'are 0000:41:00.0, 0000:a1:00.0',
            self.refusal('l40s', '99:00.0'),
        )
        self.assertIn('there are none', self.refusal('none', 'renderD128'))

    def test_profile_has_class_size_number_and_what_is_left(self):
        text = self.card('a100-mig', '41:00.0')
        self.assertRegex(
            text, r'\| CUSTOM_VGPU_NVIDIA_A100_1_5C +\| 5 GiB +\| \d+ +\| 2 '
        )
        self.assertRegex(
            text,
            r'\| CUSTOM_VGPU_NVIDIA_A100_4_20C +\| 20 GiB +\| \d+ +\| [01] ',
        )

    def test_why_it_is_not_given_whole_has_the_remedy(self):
        self.assertIn(
            'to give it whole, run /usr/lib/nvidia/sriov-manage -d '
            '0000:41:00.0',
            ' '.join(self.card('l40s', '41:00.0').split()),
        )
        self.assertIn(
            'write 0 to its sriov_numvfs',
            ' '.join(self.card('b60', '17:00.0').split()),
        )

    def test_vgpus_that_exist_are_named(self):
        host = found('t4')
        (first, second, *others) = host.gpus
        share = dataclasses.replace(
            second.shares[0], vgpus=(model.Vgpu('aaaa-bb', 'nvidia-t4-2q'),)
        )
        second = dataclasses.replace(second, shares=(share,))
        host = dataclasses.replace(host, gpus=(first, second, *others))
        text = shown(host, '3b:00.0', at(80))
        self.assertIn('| aaaa-bb nvidia-t4-2q ', text)
        self.assertIn('Not whole:\n  1 of its vGPUs exist', text)
        self.assertNotIn('Not whole', shown(host, at(80)))

    def test_unreadable_card_says_why(self):
        host = discovery.Host(
            (), {model.PciAddress(0, 0x41, 0, 0): 'class: EIO'}, True
        )
        err = io.StringIO()
        with (
            mock.patch.object(gpus, 'survey', return_value=host),
            contextlib.redirect_stderr(err),
        ):
            status = shell.main(['discover', '--simulate', 't4', '41:00.0'])
        self.assertEqual(1, status)
        self.assertIn('found class: EIO', err.getvalue())

    def test_chosen_fields_are_all_that_is_shown(self):
        self.assertEqual(
            '0000:41:00.0\n10de:26b9\n',
            self.card(
                'l40s',
                '41:00.0',
                *('-f', 'value', '-c', 'Address', '-c', 'IDs'),
            ),
        )
        text = self.card('l40s', '41:00.0', '-c', 'Driver')
        self.assertEqual(5, text.count('\n'))

    def test_every_format_is_printed(self):
        for name in ('t4', 'workstation', 'vgem', 'hgx-h100', 'off-bus'):
            for gpu in found(name).gpus:
                for form in ('json', 'yaml', 'csv', 'value'):
                    text = self.card(name, str(gpu.address), '-f', form)
                    self.assertIn(str(gpu.address), text)
