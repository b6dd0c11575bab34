"""A card that is replaced leaves nothing, and the other one is offered whole.

Whoever replaces it drains it before, so no guest runs with it. A server that
is stopped may still have it claimed.
"""

import dataclasses
import functools

import ddt

from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.simulation import sickness
from nova_gpuvirt.simulation.hosts import l40s
from tests.functional import base

# Of the host with cards of several models.
_T4, _L40S, _MI210 = '0000:3b:00.0', '0000:5e:00.0', '0000:af:00.0'
_ID_OF = {'T4': 'CUSTOM_GPU_ID_10DE_1EB8', 'L40S': 'CUSTOM_GPU_ID_10DE_26B9'}
_OTHER = {'T4': 'L40S', 'L40S': 'T4'}
_SET_2 = 'CUSTOM_GPU_SET_2'
_MISSING = 'CUSTOM_GPU_MISSING'
_QUARANTINED = 'CUSTOM_GPU_QUARANTINED'
_SPECS = (base.PGPU, {'resources:CUSTOM_VGPU_NVIDIA_T4_8Q': '1'})
# With the host off meanwhile, and while it runs.
_HOWS = ('off', 'on')
_SOME = tuple(zip(_HOWS, _SPECS, strict=True))


class ReplacementCase(base.GpuTestCase):
    CAST_AS_CALL = False
    kind = 't4'
    how = {}

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', self.kind, **self.how)
        self.records = records.Records(self.state_path('host1'))

    # What an operator does

    def replace(self, how, *changes):
        """Change the cards of the host while it is off, or runs."""
        if how == 'off':
            connection = self.computes['host1'].driver._host.get_connection()
            self.computes['host1'].stop()
            for domain in list(connection._vms.values()):
                domain.destroy()
            for change in changes:
                change()
            self.host.reboot()
            self.restart_compute_service('host1')
        else:
            for change in changes:
                change()
                self.run_periodic()

    def out(self, card):
        return lambda: self.host.unplug(card)

    def into(self, place, card=None):
        """Plug a card into a place, that which is described there or another.

        It is described at once: the place may have another one by then.
        """
        there = self.host.description.named(place)
        new = there if card is None else self.host.description.named(card)
        new = dataclasses.replace(
            new,
            address=there.address,
            behind=there.behind,
            numa_node=there.numa_node,
        )
        return lambda: self.host.plug(place, new)

    def quarantine(self, *cards):
        """Run ``nova-gpuvirt quarantine``, and wait for an update."""
        why = record.Quarantine(
            'to go', '2026-11-30T02:56:03Z', record.By.OPERATOR
        )
        self._change(cards, lambda one: one.put(why))

    def release(self, *cards):
        """Run ``nova-gpuvirt release``, and wait for an update."""
        self._change(cards, lambda one: one.released(record.By.OPERATOR))

    def _change(self, cards, how):
        for card in cards:
            self.records.change(model.PciAddress.parse(card), how)
        self.run_periodic()

    def delete_provider(self, uuid):
        """Do what ``openstack resource provider delete`` does."""
        return self.placement.delete(f'/resource_providers/{uuid}').status

    def forget(self, card):
        """Delete what the host remembers of a card, if anything."""
        folder = self.state_path('host1') / 'cards'
        (folder / f'{card}.json').unlink(missing_ok=True)

    def migrated(self, server):
        """Move a stopped server to the other host, and confirm."""
        server = self._migrate_server(server)
        self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
        self.api.post_server_action(server['id'], {'confirmResize': None})
        return self._wait_for_state_change(server, 'SHUTOFF')

    # What is there then

    def provider(self, card, host='host1'):
        return self.gpu_providers(host)[card]

    def stopped(self, spec):
        """A stopped server, and the card that it has."""
        server = self._stop_server(self.boot(spec))
        (claim,) = self.claims(server)
        return server, str(model.Slot.parse(claim.identifier).device)

    def assert_is(self, card, name):
        """The provider says what a card is, and nothing of another one."""
        provider = self.provider(card)
        self.assertIn(_ID_OF[name], provider['traits'])
        self.assertNotIn(_ID_OF[_OTHER[name]], provider['traits'])
        self.assertNotIn(_MISSING, provider['traits'])
        self.assertNotIn(_QUARANTINED, provider['traits'])
        classes = provider['inventories'].keys()
        for names in (provider['traits'], classes):
            of_others = [n for n in names if f'_{_OTHER[name]}' in n]
            self.assertEqual([], of_others)
        self.assertIn(f'CUSTOM_VGPU_NVIDIA_{name}_2Q', classes)
        self.assertEqual(name == 'T4', 'PGPU' in classes)
        self.assertEqual(0, sum(provider['usages'].values()))
        self.assertIn(card, self.offered('host1', 'VGPU'))

    def assert_boots(self, card, name):
        """A server that asks for this model gets this card, and no rest."""
        others = sorted({*self.gpu_providers('host1')} - {card, 'fabric0'})
        self.quarantine(*others)
        server = self.boot(
            {
                f'resources:CUSTOM_VGPU_NVIDIA_{name}_2Q': '1',
                f'trait:{_ID_OF[name]}': 'required',
            }
        )
        self.assertEqual(
            [f'host1_gpuvirt_{card}'], [*self.gpu_allocations(server)]
        )
        self.assert_agreed()
        self._delete_server(server)
        self.release(*others)
        self.assert_is(card, name)

    def assert_refused(self, server):
        """The server can't be started with what is there now."""
        self.api.post_server_action(server['id'], {'os-start': None})
        self._wait_for_action_fail_completion(
            server, 'start', 'compute_start_instance'
        )


@ddt.ddt
class AnotherModelTest(ReplacementCase):
    kind = 'mixed'

    def replace_by_another(self, how):
        self.replace(how, self.out(_T4), self.into(_T4, _L40S))

    @ddt.data(*_HOWS)
    def test_nobody_has_it(self, how):
        self.replace_by_another(how)
        # Its classes are empty first, and gone with the next update.
        self.run_periodic()
        self.assert_is(_T4, 'L40S')
        self.assert_boots(_T4, 'L40S')

    @ddt.data(*_SOME)
    @ddt.unpack
    def test_stopped_server_is_deleted(self, how, spec):
        self.quarantine(_MI210)
        server, card = self.stopped(spec)
        self.assertEqual(_T4, card)
        self.replace_by_another(how)
        self.run_periodic()
        self.assertIn(_QUARANTINED, self.provider(_T4)['traits'])
        self.assertIn(_ID_OF['T4'], self.provider(_T4)['traits'])
        self.assert_refused(server)
        self._delete_server(server)
        for _ in range(2):
            self.run_periodic()
        self.assert_is(_T4, 'L40S')
        self.assert_boots(_T4, 'L40S')

    @ddt.data(*_SOME)
    @ddt.unpack
    def test_stopped_server_is_migrated(self, how, spec):
        self.quarantine(_MI210)
        server, card = self.stopped(spec)
        self.assertEqual(_T4, card)
        self.start_gpu_host('host2', 't4')
        self.replace_by_another(how)
        self.run_periodic()
        server = self.migrated(server)
        self._start_server(server)
        for _ in range(2):
            self.run_periodic()
        self.assert_is(_T4, 'L40S')
        self.assert_agreed()
        self._delete_server(server)

    @ddt.data(*_HOWS)
    def test_two_swap_their_slots(self, how):
        server, card = self.stopped(_SPECS[1])
        self.assertEqual(_T4, card)
        self.replace(
            how,
            self.out(_T4),
            self.out(_L40S),
            self.into(_T4, _L40S),
            self.into(_L40S, _T4),
        )
        self.run_periodic()
        self.assert_is(_L40S, 'T4')
        self.assertIn(_QUARANTINED, self.provider(_T4)['traits'])
        self.assert_refused(server)
        self._shelve_server(server)
        server = self._unshelve_server(server)
        self.assertEqual(
            [f'host1_gpuvirt_{_L40S}'], [*self.gpu_allocations(server)]
        )
        self.assert_agreed()
        self._delete_server(server)
        for _ in range(2):
            self.run_periodic()
        self.assert_boots(_T4, 'L40S')
        self.assert_boots(_L40S, 'T4')

    def test_class_is_kept_while_placement_has_an_allocation_of_it(self):
        """One that is under way, of which nova-compute can not know."""
        rc = 'CUSTOM_VGPU_NVIDIA_T4_2Q'
        uuid = self.provider(_T4)['uuid']
        consumer = self._reserve(uuid, rc)
        self.replace_by_another('off')
        for _ in range(3):
            self.run_periodic()
        custom = [
            name
            for name in self.provider(_T4)['inventories']
            if '_T4_' in name
        ]
        self.assertEqual([rc], custom)
        self._delete_server_allocations(consumer)
        self.run_periodic()
        self.assert_is(_T4, 'L40S')
        self.assertNotIn('Failed to update', self.log())

    def _reserve(self, provider, rc):
        consumer = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
        response = self.placement.put(
            f'/allocations/{consumer}',
            {
                'allocations': {provider: {'resources': {rc: 1}}},
                'project_id': 'a',
                'user_id': 'b',
                'consumer_generation': None,
            },
            version='1.28',
        )
        self.assertEqual(204, response.status, response.body)
        return consumer

    def test_classes_can_be_deleted_then(self):
        self.replace_by_another('off')
        self.run_periodic()
        for rc in ('CUSTOM_VGPU_NVIDIA_T4_2Q', 'CUSTOM_VGPU_NVIDIA_L40S_2Q'):
            status = self.placement.delete(
                f'/resource_classes/{rc}', version='1.2'
            ).status
            self.assertEqual(204 if '_T4_' in rc else 409, status)
        self.run_periodic()
        self.assert_is(_T4, 'L40S')

    def test_card_in_quarantine_is_replaced(self):
        self.quarantine(_T4)
        self.replace_by_another('off')
        self.run_periodic()
        provider = self.provider(_T4)
        self.assertIn(_QUARANTINED, provider['traits'])
        self.assertIn(_ID_OF['L40S'], provider['traits'])
        classes = provider['inventories']
        self.assertEqual([], [c for c in classes if '_T4_' in c])
        self.release(_T4)
        self.run_periodic()
        self.assert_is(_T4, 'L40S')
        self.assert_boots(_T4, 'L40S')


@ddt.ddt
class LayoutTest(ReplacementCase):
    kind = 'mixed'
    how = {
        'bare': True,
        'layout': """
            version: 1
            cards: [{select: {model: '*L40S*'}, vfs: all}]
        """,
    }

    def layout(self):
        """What is remembered that the card was made: of which, and what."""
        found = self.records.read()[model.PciAddress.parse(_L40S)].layout
        return found.card, found.wish

    @ddt.data(*_HOWS)
    def test_what_a_card_was_made_is_not_asked_of_another(self, how):
        made = ('10de:26b9', '{"vfs": "all"}')
        spec = {'resources:CUSTOM_VGPU_NVIDIA_L40S_8Q': '1'}
        server, _ = self.stopped(spec)
        self.assertEqual(made, self.layout())
        self.replace(how, self.out(_L40S), self.into(_L40S, _T4))
        self.run_periodic()
        self.assert_refused(server)
        self._delete_server(server)
        for _ in range(2):
            self.run_periodic()
        self.assert_is(_L40S, 'T4')
        self.assert_boots(_L40S, 'T4')


@ddt.ddt
class SameModelTest(ReplacementCase):
    card = '0000:3b:00.0'

    def replace_by_its_like(self, how, card):
        self.replace(how, self.out(card), self.into(card))

    @ddt.data(*_HOWS)
    def test_nobody_has_it(self, how):
        before = self.provider(self.card)
        self.replace_by_its_like(how, self.card)
        self.run_periodic()
        after = self.provider(self.card)
        for key in ('uuid', 'inventories', 'traits'):
            self.assertEqual(before[key], after[key])
        self.assert_boots(self.card, 'T4')

    @ddt.data(*_SOME)
    @ddt.unpack
    def test_stopped_server_has_the_new_one(self, how, spec):
        server, card = self.stopped(spec)
        slot = self.slot(server)
        self.replace_by_its_like(how, card)
        self.run_periodic()
        self._start_server(server)
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assert_is(card, 'T4')

    @ddt.data(*_HOWS)
    def test_sick_one_is_replaced_by_one_that_is_well(self, how):
        sick = sickness.Sickness(self.host, self.card)
        sick.answer_with_ones()
        self.run_periodic()
        self.assertIn(_QUARANTINED, self.provider(self.card)['traits'])
        self.replace_by_its_like(how, self.card)
        self.run_periodic()
        self.assertEqual({}, self.records.read())
        self.assert_is(self.card, 'T4')
        self.assert_boots(self.card, 'T4')

    @ddt.data(*_HOWS)
    def test_operators_quarantine_is_of_the_slot(self, how):
        self.quarantine(self.card)
        self.replace_by_its_like(how, self.card)
        sickness.Sickness(self.host, self.card).complain(
            'Serial Number', '1320220000001'
        )
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertIn(_QUARANTINED, self.provider(self.card)['traits'])
        told = [
            n.payload['serial']
            for n in self.notifier.notifications
            if n.event_type == 'gpuvirt.card.quarantined'
        ]
        self.assertEqual('1320220000001', told[-1])
        self.assertNotEqual('1320220000001', told[0])
        self.release(self.card)
        self.assert_is(self.card, 'T4')


@ddt.ddt
class AnotherSlotTest(ReplacementCase):
    new = '0000:d8:00.0'
    how = {'without': [new]}

    @ddt.data(*_SOME)
    @ddt.unpack
    def test_stopped_server_is_shelved(self, how, spec):
        server, card = self.stopped(spec)
        self.replace(how, self.out(card), self.into(self.new, card))
        self.run_periodic()
        provider = self.provider(card)
        self.assertIn(_MISSING, provider['traits'])
        self.assertIn(_ID_OF['T4'], provider['traits'])
        self.assert_is(self.new, 'T4')
        self.assert_refused(server)
        self.assertEqual(409, self.delete_provider(provider['uuid']))
        self._shelve_server(server)
        server = self._unshelve_server(server)
        self.assertNotIn(f'host1_gpuvirt_{card}', self.gpu_allocations(server))
        self.assert_agreed()
        self._delete_server(server)
        self.assert_boots(self.new, 'T4')
        self.assertNotIn(_ID_OF['T4'], self.provider(card)['traits'])


@ddt.ddt
class TakenOutTest(ReplacementCase):
    card = '0000:3b:00.0'

    def assert_gone(self):
        """The old card is nowhere, and the host goes on."""
        for _ in range(2):
            self.run_periodic()
            self.assertNotIn(self.card, self.gpu_providers('host1'))
        self.assert_agreed()
        servers = [self.boot(base.PGPU) for _ in range(3)]
        self.boot_refused(base.PGPU)
        for server in servers:
            self._delete_server(server)
        self.assert_agreed()

    @ddt.data(*_HOWS)
    def test_provider_is_deleted_while_nova_compute_is_stopped(self, how):
        self.replace(how, self.out(self.card))
        provider = self.provider(self.card)
        self.assertIn(_MISSING, provider['traits'])
        # nova-compute has taken it for sick where it saw it go.
        self.assertEqual(how == 'on', bool(self.records.read()))
        self.computes['host1'].stop()
        self.forget(self.card)
        self.assertEqual(204, self.delete_provider(provider['uuid']))
        self.restart_compute_service('host1')
        self.assert_gone()
        self.assertEqual({}, self.records.read())

    def test_provider_is_deleted_while_the_host_is_off(self):
        uuid = self.provider(self.card)['uuid']
        self.replace(
            'off',
            self.out(self.card),
            lambda: self.assertEqual(204, self.delete_provider(uuid)),
        )
        self.assert_gone()
        self.assertEqual({}, self.records.read())

    def test_provider_is_deleted_while_nova_compute_runs(self):
        self.replace('on', self.out(self.card))
        uuid = self.provider(self.card)['uuid']
        self.assertEqual(204, self.delete_provider(uuid))
        # Nova asks for the allocations of what it has known for 5 minutes.
        server = self.boot(base.PGPU, expected_state='ERROR')
        self._delete_server(server)
        self.run_periodic()
        self.assertIn('Error updating resources for node host1', self.log())
        self.restart_compute_service('host1')
        self.assert_gone()

    @ddt.data(*_SOME)
    @ddt.unpack
    def test_stopped_server_is_deleted(self, how, spec):
        server, self.card = self.stopped(spec)
        self.replace(how, self.out(self.card))
        self.run_periodic()
        provider = self.provider(self.card)
        self.assertIn(_ID_OF['T4'], provider['traits'])
        self.assert_refused(server)
        self._delete_server(server)
        self.run_periodic()
        self.assertEqual(0, sum(self.provider(self.card)['usages'].values()))
        self.computes['host1'].stop()
        # A card that is not there is not clean after a guest.
        self.forget(self.card)
        self.assertEqual(204, self.delete_provider(provider['uuid']))
        self.restart_compute_service('host1')
        self.assert_gone()
        self.assertEqual({}, self.records.read())

    @ddt.data(*_SOME)
    @ddt.unpack
    def test_stopped_server_is_migrated(self, how, spec):
        server, self.card = self.stopped(spec)
        self.start_gpu_host('host2', 't4')
        self.replace(how, self.out(self.card))
        self.run_periodic()
        server = self.migrated(server)
        self._start_server(server)
        self.run_periodic()
        self.assertEqual(0, sum(self.provider(self.card)['usages'].values()))
        self.assert_agreed()
        self._delete_server(server)


class SetsTest(ReplacementCase):
    """A fabric is of one model, and the set of four T4 is in one."""

    def test_one_of_four_and_then_all(self):
        self.assertIn('CUSTOM_GPU_SET_4', self.inventories())
        cards = sorted({*self.gpu_providers('host1')} - {'fabric0'})
        self.replace_by_l40s(cards[3])
        self.assertEqual(['CUSTOM_GPU_SET_2'], self.inventories())
        self.assertEqual({'fabric0': 1}, self.offered('host1', _SET_2))
        self.replace_by_l40s(*cards[:3])
        self.assertIn(_MISSING, self.provider('fabric0')['traits'])
        self.assertEqual({}, self.offered('host1', _SET_2))
        self.computes['host1'].stop()
        uuid = self.provider('fabric0')['uuid']
        self.assertEqual(204, self.delete_provider(uuid))
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual(cards, sorted(self.gpu_providers('host1')))
        self.assert_boots(cards[0], 'L40S')

    def inventories(self):
        return sorted(self.provider('fabric0')['inventories'])

    def replace_by_l40s(self, *cards):
        changes = []
        for card in cards:
            there = self.host.description.named(card)
            new = l40s.card(card, there.behind, there.numa_node)
            changes.append(self.out(card))
            changes.append(functools.partial(self.host.plug, card, new))
        self.replace('off', *changes)
        self.run_periodic()
