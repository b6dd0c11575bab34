"""What is not offered is said once, and said again when it changes."""

import dataclasses
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import reasons
from nova_gpuvirt.cards import size_rules
from tests.unit.cards.places import address
from tests.unit.cards.places import gpu

_LOGGER = 'nova_gpuvirt.cards.reasons'


class LogTest(unittest.TestCase):
    def setUp(self):
        self.log = reasons.Log()

    def lines(self, tell, *args):
        with self.assertLogs(_LOGGER) as logged:
            reasons.LOG.info('-')
            tell(*args)
        return [record.getMessage() for record in logged.records][1:]

    def test_lost_mode_is_said_once_and_when_it_is_back(self):
        card = address(1)
        for lost, said in (
            ({card: 'no MIG'}, [f'{card} has lost a mode: no MIG']),
            ({card: 'no MIG'}, []),
            ({}, [f'{card} gives again what is claimed of it']),
            ({}, []),
        ):
            self.assertEqual(
                said, self.lines(self.log.tell_lost, lost, {card})
            )

    def test_card_that_is_gone_does_not_give_again(self):
        card = address(1)
        self.lines(self.log.tell_lost, {card: 'no MIG'}, {card})
        self.assertEqual([], self.lines(self.log.tell_lost, {}, set()))

    def test_what_keeps_a_card_from_others_is_not_said_of_one_with_vfs(self):
        host = discovery.Host(
            (gpu(1, whole_refusal='it has VFs', whole_withheld='its bus'),),
            {},
            has_iommu=True,
        )
        self.assertNotIn(
            'not whole: its bus', ' '.join(self.lines(self.log.tell, host, ()))
        )

    def test_card_that_does_not_go_alone_is_said(self):
        found = gpu(1, alone_refusal='NVLinks join it')
        self.assertEqual(
            ['not alone: NVLinks join it'], reasons.reasons(found)
        )
        host = discovery.Host((found,), {}, has_iommu=True)
        self.assertEqual(
            [f'{address(1)} is not offered: not alone: NVLinks join it'],
            self.lines(self.log.tell, host, ()),
        )


class ReasonsTest(unittest.TestCase):
    def share(self, slug='p', **changes):
        profile = model.Profile(slug, slug, slug, 1)
        if slug == 'api-session':
            profile = dataclasses.replace(profile, is_vgpu=False)
        rule = size_rules.EqualSize()
        return model.Share('mdev', rule, profiles=(profile,), **changes)

    def test_why_nothing_is_offered_is_not_why_it_is_not_whole(self):
        found = gpu(1, whole_refusal='no IOMMU')
        self.assertEqual(['no IOMMU'], reasons.not_offered(found))
        self.assertEqual([], reasons.not_whole(found))
        self.assertEqual(['no IOMMU'], reasons.reasons(found))

    def test_why_it_is_not_whole_is_not_why_its_parts_are_not_offered(self):
        broken = self.share(refusal='no daemon')
        found = gpu(1, whole_refusal='VFs', shares=(self.share(), broken))
        self.assertEqual(['no daemon'], reasons.not_offered(found))
        self.assertEqual(['VFs'], reasons.not_whole(found))
        self.assertEqual(
            ['no daemon', 'not whole: VFs'], reasons.reasons(found)
        )

    def test_card_that_is_sick_has_one_reason(self):
        for found in (
            gpu(1, refusal='sick', whole_refusal='VFs'),
            gpu(1, withheld='sick', shares=(self.share(refusal='no'),)),
        ):
            self.assertEqual(['sick'], reasons.reasons(found))
            self.assertEqual([], reasons.not_whole(found))

    def test_what_is_shared_is_not_missed_as_a_whole(self):
        with_vfs = gpu(1)
        with_vfs = dataclasses.replace(
            with_vfs,
            function=dataclasses.replace(
                with_vfs.function, virtfns=(address(2),)
            ),
            whole_refusal='VFs',
        )
        vgpu = model.Vgpu('uuid', 'p')
        for found, is_normal in (
            (with_vfs, False),
            (dataclasses.replace(with_vfs, shares=(self.share(),)), True),
            (
                dataclasses.replace(
                    with_vfs, shares=(self.share('api-session'),)
                ),
                False,
            ),
            (gpu(1, whole_refusal='no', shares=(self.share(),)), False),
            (gpu(1, shares=(self.share(vgpus=(vgpu,)),)), True),
            (gpu(1, alone_refusal='NVLinks'), False),
        ):
            self.assertEqual(is_normal, reasons.is_shared_instead(found))
