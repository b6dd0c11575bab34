"""What tenants, databases and other hosts say writes nothing of theirs.

Everything that a simulated host's kernel is told is noted, and held against
the files of the cards' own that this driver and libvirt write. Whatever else
was asked for, the next server gets its GPU.
"""

import contextlib
import json
import re

from nova import context as nova_context
from nova import objects
from nova.tests.functional.api import client

from nova_gpuvirt.model import summary
from tests.functional import base

_ADDRESS = r'[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]'
_UUID = r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
_FUNCTION = f'/sys/bus/pci/devices/{_ADDRESS}'
_ALLOWED = re.compile(
    rf'{_FUNCTION}/(driver_override|driver/unbind|reset)'
    rf'|{_FUNCTION}/nvidia/(current_vgpu_type|placement_id)'
    rf'|{_FUNCTION}/mdev_supported_types/[A-Za-z0-9_-]+/create'
    rf'|/sys/bus/mdev/devices/{_UUID}/remove'
    r'|/sys/bus/pci/drivers_probe'
)
_WORDS = (
    '../../../../etc/passwd',
    '/dev/vfio/vfio',
    '--help',
    '"/><source file="/etc/passwd"/><x a="',
    '&lt;!ENTITY x SYSTEM "file:///etc/passwd"&gt;',
    '$(reboot); reboot',
    '%s%n{0}',
    'x' * 255,
)
_IDENTIFIERS = (
    '../../../../etc/passwd',
    'mdev:../../../../etc/passwd/3@x',
    'mdev:0000:00:02.0/3@../../x',
    'mdev:0000:00:02.0/3@intel-gvtg-v5-4\n2026-11-30 ERROR forged',
    'mdev: 0000:00:02.0/0@intel-gvtg-v5-4',
    'passthrough:0000:00:02.0\0',
    'passthrough:0000:FF:1f.7',
    'set:0000:00:02.0+0000:00:02.0',
    'nothing:0000:00:02.0@x',
    'mdev:0000:00:02.0/99999999@--help',
    f'mdev:0000:00:02.0/{"9" * 200}@x',
    '"/><x>',
    '',
)


class HostileTestCase(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.kind = 'gvtg'
        self.host = self.start_gpu_host('host1', self.kind)
        self.before = self.host.snapshot()
        self.written = []
        write = self.host.write

        def note(path, text):
            self.written.append((path, text))
            write(path, text)

        self.host.write = note

    def assert_only_own_files_were_written(self):
        for path, text in self.written:
            self.assertRegex(path, rf'\A(?:{_ALLOWED.pattern})\Z')
            self.assertRegex(text, r'\A[0-9a-zA-Z:.\n_-]*\Z')
        remembered = self.state_path('host1') / 'cards'
        names = [p.name for p in remembered.iterdir()]
        for name in names:
            self.assertRegex(name, rf'\A{_ADDRESS}\.json\Z')

    def assert_others_go_on(self):
        """Boot another server, as if nothing had been."""
        other = self.boot(base.VGPU)
        self.assertEqual(1, len(self.hostdevs('host1', other)))
        self._delete_server(other)
        self.run_periodic()
        self.assert_only_own_files_were_written()


class TenantTest(HostileTestCase):
    """Flavors, images, names and metadata."""

    def plant(self, spec):
        """Make a flavor as Nova's API let it be made before version 2.86."""
        name = self.flavor(base.VGPU)
        flavor = objects.Flavor.get_by_flavor_id(
            nova_context.get_admin_context(), name
        )
        flavor.extra_specs = {**base.VGPU, **spec}
        flavor.save()
        return name

    def assert_boots_as_if_not_there(self, spec=None, image=None, **more):
        plain = self.boot(base.VGPU)
        expected = self.devices(plain)
        self._delete_server(plain)
        server = self._build_server(
            flavor_id=self.plant(spec or {}),
            networks='none',
            image_uuid=image,
        )
        server = self.api.post_server({'server': {**server, **more}})
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assertEqual(expected, self.devices(server))
        self.assert_only_own_files_were_written()
        self.assert_agreed()
        self._delete_server(server)
        self.assertEqual(self.before, self.host.snapshot())

    def devices(self, server):
        """The guest's devices as elements, without the vGPU's own UUID."""
        return [
            sorted((e.tag, *sorted(e.keys())) for e in hostdev.iter())
            for hostdev in self.hostdevs('host1', server)
        ]

    def test_extra_specs_of_a_flavor(self):
        self.assert_boots_as_if_not_there(
            {
                f'{name}{number}': word
                for number, word in enumerate(_WORDS)
                for name in ('gpuvirt:path', '../../x', 'x:y"/><z>')
            }
        )

    def test_numa_policy_of_a_flavor_that_is_none(self):
        for word in _WORDS[:2]:
            server = self._build_server(
                flavor_id=self.plant({'hw:gpuvirt_numa_policy': word}),
                networks='none',
            )
            server = self.api.post_server({'server': server})
            server = self._wait_for_state_change(server, 'ERROR')
            self.assertNotIn(word, server['fault']['message'])
            self._delete_server(server)
        self.assert_others_go_on()

    def test_display_of_a_flavor_and_an_image_that_is_none(self):
        self.assert_boots_as_if_not_there(
            {'hw:gpuvirt_display': _WORDS[3]},
            self.create_image(hw_gpuvirt_display=_WORDS[0]),
        )

    def test_properties_of_an_image(self):
        image = self.create_image(
            **{
                f'{name}{number}': word
                for number, word in enumerate(_WORDS)
                for name in ('hw_gpuvirt', 'gpuvirt_', 'mdev_type')
            }
        )
        self.assert_boots_as_if_not_there(image=image)

    def test_name_and_metadata_of_a_server(self):
        self.assert_boots_as_if_not_there(
            name=_WORDS[3],
            metadata={f'gpuvirt{n}': w for n, w in enumerate(_WORDS)},
        )


class DatabaseTest(HostileTestCase):
    """Rows that somebody replaced."""

    def hard_reboot(self, server):
        """Ask for it; what it fails with is the answer of the harness."""
        with contextlib.suppress(client.OpenStackApiException):
            self.api.post_server_action(
                server['id'], {'reboot': {'type': 'HARD'}}
            )

    def replace_claims(self, server, identifier):
        instance = objects.Instance.get_by_uuid(
            self.context_at('host1'),
            server['id'],
            expected_attrs=['resources'],
        )
        (claim,) = instance.resources
        instance.resources = objects.ResourceList(
            objects=[
                objects.Resource(
                    provider_uuid=claim.provider_uuid,
                    resource_class=claim.resource_class,
                    identifier=identifier,
                )
            ]
        )
        instance.save()

    def test_identifier_of_a_claim(self):
        server = self.boot(base.VGPU)
        good = self.slot(server)
        for identifier in _IDENTIFIERS:
            with self.subTest(identifier=identifier):
                self.replace_claims(server, identifier)
                self.run_periodic()
                self.hard_reboot(server)
                self._wait_for_server_parameter(
                    server, {'OS-EXT-STS:task_state': None}
                )
                # It keeps what it has, and gets nothing else.
                self.assertEqual(1, len(self.hostdevs('host1', server)))
                self.assert_only_own_files_were_written()
                self.assertNotIn('\n2026-11-30 ERROR', self.log())
        self.assertIn('no claim that can be read', self.log())
        self.replace_claims(server, good)
        self.restart_compute_service('host1')
        self._delete_server(server)
        self.assert_others_go_on()
        self.assertEqual(self.before, self.host.snapshot())

    def test_server_with_such_a_claim_is_deleted(self):
        for identifier in _IDENTIFIERS[:4:3]:
            server = self.boot(base.VGPU)
            self.replace_claims(server, identifier)
            self.restart_compute_service('host1')
            self._delete_server(server)
            self.assert_others_go_on()

    def test_what_another_host_tells_of_its_cards(self):
        self.start_gpu_host('host2', self.kind)
        good = self.stats('host2')
        body = json.loads(good[summary.KEY])
        body[2][0][7], body[2][0][8] = '../../x', ['x']
        for text in (
            json.dumps(body),
            '[' * 10_000,
            '[3,[],[["p","d",-1,null,null,"",null,0,[],null]],[],[],[]]',
            '../../etc/passwd',
        ):
            self.replace_stats('host2', {**good, summary.KEY: text})
            self._delete_server(self.boot(base.VGPU))
            self.assert_only_own_files_were_written()

    def test_what_a_host_has_reported_of_its_cards(self):
        server = self.boot(base.VGPU)
        stats = self.stats('host1')
        for text in (
            '[' * 10_000,
            '{"x": ["../../../etc/passwd", null]}',
            '{"x": ["0000:00:02.0", ["x"]]}',
        ):
            self.replace_stats('host1', {**stats, 'gpuvirt_providers': text})
            self.restart_compute_service('host1')
            self.run_periodic()
            self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        self._delete_server(server)
        self.assert_others_go_on()

    def stats(self, host):
        return dict(self.node(host).stats)

    def replace_stats(self, host, stats):
        node = self.node(host)
        node.stats = stats
        node.save()

    def node(self, host):
        return objects.ComputeNode.get_first_node_by_host_for_old_compat(
            self.context_at(host), host
        )
