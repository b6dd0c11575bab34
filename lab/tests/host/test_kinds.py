"""A server with each kind of GPU; the guest itself says what it sees."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

from lab.tests.host import base
from lab.tests.host import hardware

_DISPLAY = ('1234:1111', '0x038000')
_AUDIO = ('8086:293e', '0x040300')
_T4 = ('10de:1eb8', '0x030200')
_VF = ('1af4:1041', '0x020000')
_MDEV = ('1234:5349', '0x030200')
_VIRTIO_GPU = ('1af4:1050', '0x030000')

# A trait of the test's own, on the card that has an audio function.
_WITH_AUDIO = 'CUSTOM_LAB_WITH_AUDIO'
_1Q = MappingProxyType({'resources:CUSTOM_VGPU_NVIDIA_SIM_1Q': '1'})


class KindsTest(base.HostTestCase):
    def test_whole_card(self) -> None:
        self._check(
            {
                'resources:PGPU': '1',
                'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required',
            },
            _T4,
        )

    def test_whole_card_with_its_audio(self) -> None:
        placement = self.api.placement
        provider = f'/resource_providers/{self.providers()["0000:01:00.0"]}'
        placement.put(f'/traits/{_WITH_AUDIO}')
        body = placement.get(f'{provider}/traits').json()
        body['traits'] = sorted({*body['traits'], _WITH_AUDIO})
        answer = placement.put(f'{provider}/traits', json=body)
        self.assertEqual(200, answer.status_code, answer.text)
        self._check(
            {'resources:PGPU': '1', f'trait:{_WITH_AUDIO}': 'required'},
            *(_DISPLAY, _AUDIO),
        )

    def test_virtual_function(self) -> None:
        class_ = 'CUSTOM_VGPU_RED_HAT_VIRTIO_1_0_GPU_1OF4'
        self._check({f'resources:{class_}': '1'}, _VF)

    def test_mdev_of_a_card(self) -> None:
        self._check(
            {**_1Q, 'trait:CUSTOM_GPU_ID_1234_1111': 'required'}, _MDEV
        )

    def test_mdev_of_a_virtual_function(self) -> None:
        self._check(
            {
                **_1Q,
                'trait:CUSTOM_GPU_ID_1AF4_1050': 'required',
                'trait:CUSTOM_GPU_KIND_MDEV': 'required',
            },
            _MDEV,
        )

    def test_vendor_vfio(self) -> None:
        self._check(
            {**_1Q, 'trait:CUSTOM_GPU_KIND_VENDOR_VFIO': 'required'}, _VF
        )

    def test_session(self) -> None:
        self._check(
            {
                'resources:CUSTOM_GPU_API_SESSION': '1',
                'trait:CUSTOM_GPU_MODEL_VGEM': 'required',
            },
            _VIRTIO_GPU,
        )

    def _check(self, specs: dict[str, str], *wanted: tuple[str, str]) -> None:
        """Boot a server, and delete it: all is then as before."""
        functions = hardware.functions()
        left = self.left()

        server = self.wait_for(self.boot(self.flavor(**specs)), 'ACTIVE')
        self.assertEqual(base.HOST, server.hypervisor_hostname)
        self.assertNotEqual(left, self.left())
        seen = self.seen(server)
        self.assertEqual(Counter(), Counter(wanted) - seen, str(seen))

        self.delete(server)
        self.assertNotIn(server.id, hardware.domains())
        self.assertEqual([], hardware.mdevs())
        self.assertEqual(functions, hardware.functions())
        self.until(lambda: self.left() == left, 60, f'{left} to be left')
        self.assertEqual({}, self.usages())
