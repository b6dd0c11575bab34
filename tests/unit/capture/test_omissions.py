"""What discovery reads beside GPUs is left out, and it does not miss it."""

import unittest

from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import omissions
from nova_gpuvirt.capture import replay
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import processes

_PROCESSES = {
    '1': ('systemd', ()),
    '2': ('kthreadd', ()),
    '500': ('sshd', ('/home/alice/.ssh/id_ed25519',)),
    '700': ('nvidia-vgpu-mgr', ('/var/log/x', '/dev/nvidiactl')),
    '900': ('trainer', ('/srv/alice/model', '/dev/nvidia0')),
}


def omitted(files, commands=()):
    """Leave out, and return what remains and the number of processes."""
    return omissions.omit(
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
                for question, answer in files.items()
            },
        )
    )


def of_processes(found):
    """Say what was read of /proc, for processes as above."""
    files = {'names proc': (*found, 'cpuinfo', 'self')}
    for pid, (name, opened) in found.items():
        files[f'read proc/{pid}/comm'] = f'{name}\n'
        numbers = tuple(str(n) for n in range(len(opened)))
        files[f'names proc/{pid}/fd'] = numbers
        for number, path in enumerate(opened):
            files[f'target proc/{pid}/fd/{number}'] = path
    return files


class OmissionsTest(unittest.TestCase):
    def test_other_processes_and_their_files(self):
        found, count = omitted(of_processes(_PROCESSES))
        self.assertEqual(1, count)
        text = document.dump(found)
        for secret in ('alice', 'sshd', '/var/log', '500'):
            self.assertNotIn(secret, text)
        root = replay.of(found, 'x').sysfs.root
        self.assertEqual((900,), processes.openers(root, ['/dev/nvidia0']))
        self.assertEqual((700,), processes.openers(root, ['/dev/nvidiactl']))
        self.assertTrue(processes.running(root, 'nvidia-vgpu-mgr'))
        self.assertIs(False, processes.running(root, 'nvidia-fabricmanager'))
        self.assertIn('cpuinfo', root.names('proc'))

    def test_host_that_shows_others_alone_still_shows_processes(self):
        others = {'500': _PROCESSES['500'], '501': _PROCESSES['500']}
        found, count = omitted(of_processes(others))
        self.assertEqual(2, count)
        self.assertNotIn('alice', document.dump(found))
        root = replay.of(found, 'x').sysfs.root
        # As in a container: nobody knows what else there is.
        self.assertIsNone(processes.running(root, 'nvidia-vgpu-mgr'))
        self.assertTrue(processes.hidden(root))

    def test_modules_that_have_nothing_to_do_with_vfio(self):
        folder = 'lib/modules/6.8.0'
        found, _ = omitted(
            {
                'read proc/sys/kernel/osrelease': '6.8.0\n',
                f'changed {folder}/modules.dep': 1,
                f'read {folder}/modules.dep': (
                    'kernel/sec/falcon.ko.zst:\n'
                    'kernel/vfio/pci/vfio-pci.ko.zst: kernel/virt/irq.ko.zst\n'
                ),
                f'read {folder}/modules.builtin': 'kernel/fs/ext4.ko\n',
                'exists sys/bus/pci/drivers/vfio-pci': False,
                'exists sys/bus/pci/drivers/nope': False,
                'read proc/cpuinfo': (
                    'model name\t: Secret\n'
                    'address sizes\t: 46 bits physical, 48 bits virtual\n'
                ),
            }
        )
        text = document.dump(found)
        for secret in ('falcon', 'ext4', 'Secret', 'irq'):
            self.assertNotIn(secret, text)
        root = replay.of(found, 'x').sysfs.root
        self.assertTrue(kernel.has_driver(root, 'vfio-pci'))
        self.assertFalse(kernel.has_driver(root, 'nope'))
        self.assertEqual(46, kernel.physical_bits(root))

    def test_what_a_boards_maker_wrote_into_it(self):
        xml = (
            "<device>\n  <capability type='pci'>\n"
            "    <capability type='vpd'>\n"
            '      <fields><serial_number>S1</serial_number></fields>\n'
            '    </capability>\n  </capability>\n</device>'
        )
        found, _ = omissions.omit(
            document.Document(
                {}, '', {}, {('x',): document.Said('prints', xml)}, {}
            )
        )
        self.assertEqual(
            "<device>\n  <capability type='pci'>\n  </capability>\n</device>",
            found.libvirt['x',].text,
        )

    def test_users_of_a_card_as_nvidias_command_names_them(self):
        text = (
            '    ECC Mode : Enabled\n'
            '    Processes\n'
            '        Process ID                    : 1646\n'
            '            Name                      : /opt/alice --key 7\n'
            '    Capabilities\n'
            '        EGM                           : disabled\n'
        )
        none = '    Processes                         : None\n'
        found, _ = omitted({}, {('a',): text, ('b',): none})
        self.assertEqual(
            '    ECC Mode : Enabled\n'
            '    Processes : left out\n'
            '    Capabilities\n'
            '        EGM                           : disabled\n',
            found.commands['a',].text,
        )
        self.assertEqual(
            '    Processes : left out\n', found.commands['b',].text
        )
