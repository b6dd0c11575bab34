"""What tells a host from others is replaced, the same by the same."""

import unittest
import uuid

from nova_gpuvirt import model
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import secrets
from nova_gpuvirt.cards import vgpu

_CARD = model.PciAddress.parse('0000:3b:00.0')
_FOREIGN = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
_QUERY = f"""\
GPU 00000000:3B:00.0
    Product Name                          : Tesla T4
    Serial Number                         : 1324720046637
    GPU UUID                              : GPU-{_FOREIGN}
    Platform Info
        Chassis Serial Number             : N/A
        GPU Fabric GUID                   : 0x1b9fa7c95ee0bc93
"""


def replaced(host='', commands=(), files=()):
    """Replace in what commands print and files say."""
    found = secrets.Secrets(host)
    made = found.replace(
        document.Document(
            {},
            '',
            {
                argv: document.Said('prints', text)
                for argv, text in dict(commands).items()
            },
            {},
            {
                document.Question(*question.split()): answer
                for question, answer in dict(files).items()
            },
        )
    )
    return made, found.counts()


class SecretsTest(unittest.TestCase):
    def test_cards_identity_as_nvidias_command_prints_it(self):
        made, counts = replaced(commands={('smi',): _QUERY})
        self.assertEqual(
            _QUERY.replace('1324720046637', 'serial-1')
            .replace(_FOREIGN, str(uuid.UUID(int=1)))
            .replace('0x1b9fa7c95ee0bc93', 'serial-2'),
            made.commands['smi',].text,
        )
        self.assertEqual({'serial numbers': 2, 'UUIDs': 1}, counts)

    def test_same_one_is_the_same_everywhere(self):
        made, _ = replaced(
            commands={
                ('fmpm', '-l'): f'"uuid": "GPU-{_FOREIGN.upper()}"',
                ('smi', _FOREIGN): 'the board 1324720046637 is in bay 2',
                ('smi',): _QUERY,
            },
            files={
                f'read sys/x/{_FOREIGN}/name': _FOREIGN,
                'names sys/x': (_FOREIGN, f'mdev_{_FOREIGN}'),
            },
        )
        new = str(uuid.UUID(int=1))
        self.assertEqual(
            f'"uuid": "GPU-{new}"', made.commands['fmpm', '-l'].text
        )
        self.assertEqual(
            'the board serial-1 is in bay 2', made.commands['smi', new].text
        )
        self.assertEqual(
            {
                document.Question('read', f'sys/x/{new}/name'): new,
                document.Question('names', 'sys/x'): (new, f'mdev_{new}'),
            },
            made.files,
        )

    def test_node_devices_of_libvirt(self):
        name = f'mdev_{_FOREIGN}'.replace('-', '_')
        made, _ = replaced(commands={('x',): f'<name>{name}</name>'})
        self.assertNotIn('f47ac10b', made.commands['x',].text)

    def test_our_own_vgpus_keep_their_card_and_slot(self):
        slot = model.Slot('mdev', _CARD, 3, 'nvidia-t4-2q')
        instances = [str(uuid.uuid4()) for _ in range(2)]
        names = tuple(str(vgpu.uuid_of(slot, i)) for i in instances)
        made, _ = replaced(files={'names sys/x': names})
        (new,) = made.files.values()
        self.assertEqual(2, len({*new, *names} - {*names}))
        for name in new:
            found = vgpu.slot_of(
                uuid.UUID(name), 'mdev', _CARD, 'nvidia-t4-2q'
            )
            self.assertEqual(slot, found)

    def test_cards_uuid_that_looks_like_one_of_ours(self):
        # NVIDIA's are of no version: each 16th has an 8 in its place.
        card = 'ee14e29d-dd5b-8e8e-8711-0123456789ab'
        made, _ = replaced(commands={('smi',): f'GPU UUID : GPU-{card}'})
        self.assertEqual(
            f'GPU UUID : GPU-{uuid.UUID(int=1)}', made.commands['smi',].text
        )

    def test_hosts_name_with_its_domain_and_no_part_of_a_word(self):
        text = 'GPU-1: gpu-1.example.org refused gpu-1; gpu-12 did not'
        made, counts = replaced('gpu-1.example.org', {('x',): text})
        self.assertEqual(
            'host: host refused host; gpu-12 did not',
            made.commands['x',].text,
        )
        self.assertEqual({'names of the host': 2}, counts)

    def test_hosts_name_that_is_a_word_stays(self):
        for name in ('gpu', 'Host', 'localhost.localdomain', 'mig', ''):
            made, counts = replaced(name, {('x',): 'GPU of the host'})
            self.assertEqual('GPU of the host', made.commands['x',].text)
            self.assertEqual({}, counts)

    def test_hosts_name_that_is_its_cards_stays(self):
        found = secrets.Secrets('h100.example.org')
        said = document.Said('prints', 'Product Name : NVIDIA H100 PCIe')
        names = '10de  NVIDIA\n\t2331  GH100 [H100 PCIe]\n'
        made = document.Document({}, names, {('x',): said}, {}, {})
        self.assertEqual(made, found.replace(made))
        self.assertEqual('an H100', found.replace_in('an H100'))

    def test_hives_keep_who_is_in_them(self):
        hive = 'xgmi_hive_info/xgmi_hive_id'
        made, _ = replaced(
            files={
                f'read sys/a/{hive}': '11936128518282651045\n',
                f'read sys/b/{hive}': '11936128518282651045\n',
                f'read sys/c/{hive}': '0\n',
            }
        )
        self.assertEqual(['1\n', '1\n', '0\n'], [*made.files.values()])

    def test_serial_numbers_in_other_forms(self):
        for text in (
            '<serial_number>1324720046637</serial_number>',
            '<serial>1324720046637</serial>',
            '"boardSerial": "1324720046637", "x": 1',
            'Chassis Serial Number=1324720046637',
        ):
            made, _ = replaced(commands={('x',): text})
            self.assertEqual(
                text.replace('1324720046637', 'serial-1'),
                made.commands['x',].text,
            )

    def test_what_else_newer_drivers_tell_a_card_by(self):
        # nvidia-smi -q since R575: nvmlDeviceGetPdi, 64 bits of one device.
        text = 'GPU PDI              : 0x145c8e416b389d3e\n'
        made, _ = replaced(commands={('x',): text})
        self.assertEqual(
            text.replace('0x145c8e416b389d3e', 'serial-1'),
            made.commands['x',].text,
        )

    def test_what_is_none_stays(self):
        text = 'Serial Number : N/A\nBoard Serial : 0\n'
        text += f'UUID {uuid.UUID(int=0)}\n'
        made, counts = replaced('localhost', {('x',): text})
        self.assertEqual((text, {}), (made.commands['x',].text, counts))
