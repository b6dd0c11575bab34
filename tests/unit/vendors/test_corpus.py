"""What hosts print is read, and no piece of it raises anything."""

import contextlib
import json
import pathlib
import unittest

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import pciids
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import traits
from nova_gpuvirt.vendors import fabric_manager
from nova_gpuvirt.vendors import gpu_instances
from nova_gpuvirt.vendors import gpu_modules
from nova_gpuvirt.vendors import nvidia_output
from nova_gpuvirt.vendors import nvidia_types
from nova_gpuvirt.vendors import nvidia_vfs
from nova_gpuvirt.vendors import vf_quotas

_FOLDER = pathlib.Path(__file__).parents[2] / 'fixtures/outputs'
_TEXTS = {path.name: path.read_text() for path in _FOLDER.glob('*.[tj]*')}
_CARD = model.PciAddress.parse('0000:41:00.0')
_LINES = sorted({line for t in _TEXTS.values() for line in t.splitlines()})
_WORDS = sorted({word for line in _LINES for word in line.split()})
# Lines of all of them, broken and mixed, with what nobody ever prints.
_pieces = st.one_of(
    st.text(),
    st.lists(
        st.one_of(
            st.sampled_from(_LINES),
            st.lists(st.sampled_from(_WORDS)).map(' '.join),
            st.text(max_size=8),
            st.sampled_from(['9' * 5000, '[' * 100_000, ' ' * 100]),
        ),
        max_size=12,
    ).map('\n'.join),
)
_PARTITION = (
    '{"partitionInfo": [{"partitionId": 0, "isActive": 1, "gpuInfo": [%s]}]}'
)
_KEYS = ('partitionInfo', 'partitionId', 'isActive', 'gpuInfo', 'physicalId')
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(
            st.one_of(st.sampled_from(_KEYS), st.text()), inner, max_size=6
        ),
    ),
).map(json.dumps)


class Libvirt:
    """A libvirt with one guest, that says what it is told to."""

    def __init__(self, text):
        self.text = text

    def listAllDomains(self, flags):
        return [self]

    def XMLDesc(self, flags):
        return self.text

    def UUIDString(self):
        return '…'


class CorpusTest(unittest.TestCase):
    def test_gpu_instances(self):
        found = {
            name: _profiles(gpu_instances.parse(_TEXTS[name]))
            for name in _TEXTS
            if name.startswith('mig-lgi')
        }
        self.assertEqual(
            {
                'mig-lgi.txt': {
                    **{9: 19, 10: 19, 3: 14, 2: 9},
                    **{13: 19, 14: 19, 5: 14, 1: 9},
                },
                'mig-lgi-none.txt': (),
                'mig-lgi-off.txt': (),
                'mig-lgi-refused.txt': None,
            },
            found,
        )

    def test_types(self):
        types = nvidia_types.parse(_TEXTS['vgpu-s-v.txt'])
        self.assertEqual([1519, 1561], list(types))
        self.assertEqual((16, None), (types[1519].per_vm, types[1519].per_gi))
        self.assertEqual((1, 47), (types[1561].per_vm, types[1561].gi_profile))

    def test_settings(self):
        found = nvidia_output.settings(_TEXTS['q.txt'])
        self.assertEqual(
            'Not Supported', found['Heterogeneous Time-Slice Sizes']
        )
        self.assertEqual('Enabled', found['Current'])

    def test_partitions(self):
        two, one = fabric_manager.parse(_TEXTS['fmpm-l.json'])
        self.assertEqual((3, False, {1, 3}), (*_state(two), two.modules))
        self.assertEqual((11, True, {5}), (*_state(one), one.modules))

    def test_lists_of_types(self):
        for name, types in (
            ('guide', {557: 'NVIDIA A40-1Q'}),
            (
                'no-header',
                {1428: 'NVIDIA H200X-141C', 1414: 'NVIDIA H200X-1-18C'},
            ),
            (
                'header',
                {
                    1145: 'NVIDIA L40S-1B',
                    1146: 'NVIDIA L40S-2B',
                    1147: 'NVIDIA L40S-1Q',
                    1148: 'NVIDIA L40S-2Q',
                    1156: 'NVIDIA L40S-48Q',
                    2164: 'NVIDIA L40S-3B',
                },
            ),
        ):
            text = _TEXTS[f'creatable-{name}.txt']
            self.assertEqual(types, nvidia_vfs.parse_creatable(text))

    def test_description_of_an_mdev_type(self):
        profile = profiles.parse(
            'nvidia-558', 'NVIDIA A40-2Q', _TEXTS['mdev-description.txt'], 1
        )
        self.assertEqual((4, 4), (profile.heads, profile.max_instances))
        self.assertEqual((4096, 2160), profile.resolution)

    def test_name_without_end_makes_no_name_that_others_refuse(self):
        found = profiles.parse('nvidia-558', 'x' * 4000, None, 1)
        slot = model.Slot('vendor-vfio', _CARD, profile=found.slug)
        for name in (
            found.resource_class,
            traits.of_profile(found.slug),
            trait_names.custom('MODEL', 'Y' * 300),
            str(slot),
        ):
            self.assertLessEqual(len(name), 255)
        self.assertEqual(slot, model.Claim('x', str(slot)).slot)


def _profiles(instances):
    return instances and {i.number: i.profile for i in instances}


def _state(partition):
    return partition.number, partition.active


class AnyTextTest(unittest.TestCase):
    """No text makes a parser raise anything but its own error."""

    @given(_pieces)
    @example('vGPU Type ID\n')
    @example('vGPU Type ID : \n')
    @example('Supported vGPU Type IDs : 0x1\n    Name : x\n')
    @example(f'vGPU Type ID : 0x1\nName : x\nMax Instances : {"1" * 5000}')
    @example(f'Module ID : {"1" * 5000}')
    @example(f'|   0  MIG 1g.10gb  {"1" * 5000}  9  2:1  |')
    @example(f'|   0  MIG 1g.10gb  19  9  {"1" * 5000}:1  |')
    def test_nvidias_command(self, text):
        nvidia_output.settings(text)
        nvidia_types.parse(text)
        gpu_instances.parse(text)
        modules = gpu_modules.GpuModules(lambda argv: text, {})
        modules.learn(_CARD, 'nvidia')

    @given(_pieces)
    @example(f'{"1" * 5000} : NVIDIA A40-1Q')
    @example(f'NVIDIA A40-1Q {"1" * 5000}')
    @example(f'557 : NVIDIA A40-{"1" * 5000}Q')
    def test_nvidias_lists(self, text):
        for name in nvidia_vfs.parse_creatable(text).values():
            profiles.nvidia(name, '1', 0)

    @given(st.one_of(_pieces, _json))
    @example('null')
    @example('["partitionInfo"]')
    @example('{"partitionInfo": {"a": 1}}')
    @example('[' * 100_000)
    @example(_PARTITION % '"x"')
    @example(_PARTITION % '{"physicalId": 1, "pciBusId": "zz"}')
    @example(_PARTITION % '{"physicalId": Infinity}')
    def test_fabric_manager(self, text):
        with contextlib.suppress(ValueError):
            fabric_manager.parse(text)

    @given(_pieces, _pieces)
    @example(' ', '')
    @example('NVIDIA A40-1Q', f'num_heads={"1" * 5000}')
    @example('x', f'max_resolution={"1" * 5000}x1, resolution: {"1" * 5000}x1')
    def test_types_of_mdevs(self, name, description):
        for type_id in ('nvidia-222', 'i915-GVTg_V5_4', name):
            profiles.parse(type_id, name, description, 1)

    @given(_pieces)
    def test_quotas(self, text):
        vf_quotas.mib(text)

    @given(_pieces)
    def test_names(self, text):
        names = pciids.PciIds([])
        names._load(text)
        for vendor, device in names._devices:
            names.vendor(vendor)
            names.device(vendor, device)

    @given(st.one_of(_pieces, _json))
    @example('[' * 100_000)
    def test_summaries(self, text):
        with contextlib.suppress(summary_text.Unreadable):
            summary_text.load(text)

    @given(
        st.one_of(
            _pieces,
            st.text().map(
                lambda t: (
                    '<domain><devices><hostdev><source><address '
                    f'uuid="{t}" slot="{t}"/></source></hostdev></devices>'
                    '</domain>'
                )
            ),
        )
    )
    def test_guests(self, text):
        libvirt = hypervisor.Hypervisor(lambda: Libvirt(text))
        with contextlib.suppress(exception.ReleaseFailed):
            libvirt.guest_with(_CARD)
