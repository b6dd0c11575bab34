"""A guest shows one vGPU's screen, or draws with a node of the host."""

import contextlib
import unittest
import uuid

from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.guest import graphics
from nova_gpuvirt.model import guest_device

_NODE = model.RenderNode(128)
_OTHER = model.RenderNode(129)
_DRAWN = [('vnc',), ('egl-headless', '/dev/dri/renderD128')]
_ONE, _TWO, _THREE = (uuid.UUID(int=n) for n in (1, 2, 3))
# The first libvirt that knows QEMU's own properties.
_NEW = 8_002_000


class GraphicsCase(unittest.TestCase):
    def setUp(self):
        self.guest = vconfig.LibvirtConfigGuest()
        self.guest.add_device(vconfig.LibvirtConfigGuestGraphics())
        self.guest.add_device(vconfig.LibvirtConfigGuestVideo())

    def elements(self, tag):
        elements = [d.format_dom() for d in self.guest.devices]
        return [e for e in elements if e.tag == tag]

    def graphics(self):
        return [
            (e.get('type'), *(gl.get('rendernode') for gl in e))
            for e in self.elements('graphics')
        ]

    def refused(self, message):
        return self.assertRaisesRegex(exception.PrepareFailed, message)

    @contextlib.contextmanager
    def impossible(self, message):
        """Expect a refusal by every host, whose owner reads no names."""
        kind = exception.RequestImpossible
        with self.assertRaisesRegex(kind, message) as caught:
            yield
        for secret in (str(_ONE), 'renderD128', 'renderD129'):
            self.assertNotIn(secret, caught.exception.told)


class MdevTest(GraphicsCase):
    def add(self, *mdevs, display=False):
        graphics.add_mdevs(self.guest, mdevs, display=display)

    def uuids(self, **attributes):
        return [
            uuid.UUID(e.find('source/address').get('uuid'))
            for e in self.elements('hostdev')
            if all(e.get(name) == v for name, v in attributes.items())
        ]

    def keep(self, mdev):
        """Do as Nova does with the mdevs of the guest's earlier XML."""
        kept = vconfig.LibvirtConfigGuestHostdevMDEV()
        kept.uuid = str(mdev)
        self.guest.add_device(kept)

    def test_mdev_is_named_by_its_uuid(self):
        self.add(guest_device.Mdev(_ONE), guest_device.Mdev(_TWO))
        self.assertEqual([_ONE, _TWO], self.uuids(type='mdev', managed='no'))

    def test_mdev_that_nova_kept_stands_once(self):
        for display in (False, True):
            self.setUp()
            self.keep(_ONE)
            mdev = guest_device.Mdev(_ONE, model.Display.REGION)
            self.add(mdev, display=display)
            self.assertEqual([_ONE], self.uuids())
            self.assertEqual([_ONE] if display else [], self.uuids(ramfb='on'))

    def test_mdev_of_another_stays(self):
        self.keep(_THREE)
        self.add(guest_device.Mdev(_ONE))
        self.assertCountEqual([_ONE, _THREE], self.uuids())

    def test_screen_is_not_shown_unasked(self):
        self.add(guest_device.Mdev(_ONE, model.Display.DMABUF, _NODE))
        self.assertEqual([_ONE], self.uuids(display=None, ramfb=None))
        self.assertEqual([('vnc',)], self.graphics())

    def test_one_screen_is_shown(self):
        self.add(
            guest_device.Mdev(_ONE),
            guest_device.Mdev(_TWO, model.Display.REGION),
            guest_device.Mdev(_THREE, model.Display.REGION),
            display=True,
        )
        self.assertEqual([_TWO], self.uuids(display='on', ramfb='on'))
        self.assertEqual([_ONE, _THREE], self.uuids(display=None, ramfb=None))
        self.assertEqual([('vnc',)], self.graphics())
        # QEMU shows the display that is made first.
        (video,) = self.elements('video')
        self.assertEqual('none', video.find('model').get('type'))

    def test_dma_buf_is_drawn_by_its_node(self):
        self.add(
            guest_device.Mdev(_ONE, model.Display.DMABUF, _NODE), display=True
        )
        self.assertEqual(_DRAWN, self.graphics())

    def test_dma_buf_that_nothing_draws_is_refused(self):
        with self.refused(f'{_ONE}: wanted a render node'):
            mdev = guest_device.Mdev(_ONE, model.Display.DMABUF)
            self.add(mdev, display=True)

    def test_mdevs_without_a_screen_are_refused(self):
        for mdevs, found in (
            ([guest_device.Mdev(_ONE)], 'vGPUs without one'),
            ([], 'no vGPU that is an mdev'),
        ):
            with self.impossible(f'found {found}'):
                self.add(*mdevs, display=True)

    def test_guest_without_a_console_is_refused(self):
        self.guest.devices.pop(0)
        with self.impossible('a guest without VNC and SPICE'):
            mdev = guest_device.Mdev(_ONE, model.Display.REGION)
            self.add(mdev, display=True)


class RendererTest(GraphicsCase):
    def add(self, *renderers, libvirt=_NEW):
        properties = {}
        graphics.add_renderers(self.guest, renderers, libvirt, properties)
        return properties

    def backing(self, **attributes):
        """Add a renderer to a guest whose memory Nova backs like this."""
        if attributes:
            self.guest.membacking = vconfig.LibvirtConfigGuestMemoryBacking()
        for name, value in attributes.items():
            setattr(self.guest.membacking, name, value)
        self.add(guest_device.Renderer(_NODE, venus=True))
        return [
            (e.tag, *e.attrib.values())
            for e in self.guest.membacking.format_dom()
        ]

    def test_guest_without_one_stays_as_it_is(self):
        before = [*self.guest.devices]
        self.assertEqual({}, self.add())
        self.assertEqual(before, self.guest.devices)

    def test_video_is_the_hosts_to_draw(self):
        self.add(guest_device.Renderer(_NODE))
        (video,) = self.elements('video')
        self.assertEqual('virtio', video.find('model').get('type'))
        (acceleration,) = video.find('model')
        self.assertEqual({'accel3d': 'yes'}, dict(acceleration.attrib))

    def test_console_stays_beside_the_node(self):
        self.add(guest_device.Renderer(_NODE))
        self.assertEqual(_DRAWN, self.graphics())

    def test_virgl_needs_no_more(self):
        self.assertEqual({}, self.add(guest_device.Renderer(_NODE)))
        self.assertIsNone(self.guest.membacking)

    def test_venus_is_turned_on(self):
        self.assertEqual(
            {'video0': {'blob': True, 'hostmem': 8 << 30, 'venus': True}},
            self.add(guest_device.Renderer(_NODE, venus=True)),
        )

    def test_venus_shares_the_memory(self):
        self.assertEqual(
            [('source', 'memfd'), ('access', 'shared')], self.backing()
        )

    def test_venus_keeps_what_nova_says_of_the_memory(self):
        self.assertEqual(
            [
                ('nosharepages',),
                ('locked',),
                ('source', 'memfd'),
                ('access', 'shared'),
            ],
            self.backing(locked=True, sharedpages=False),
        )

    def test_venus_takes_memory_that_is_shared_already(self):
        pages = vconfig.LibvirtConfigGuestMemoryBackingPage()
        pages.size_kb, pages.nodeset = 2048, [0]
        self.assertEqual(
            [('hugepages',), ('access', 'shared')],
            self.backing(hugepages=[pages]),
        )
        self.setUp()
        self.assertEqual(
            [('source', 'file'), ('access', 'shared')],
            self.backing(filesource=True, sharedaccess=True),
        )

    def test_libvirt_that_can_not_turn_venus_on_is_refused(self):
        with self.refused('found libvirt 8001000'):
            self.add(guest_device.Renderer(_NODE, venus=True), libvirt=8001000)

    def test_more_than_one_are_refused(self):
        with self.impossible('renderD128, renderD129: .*2 sessions'):
            self.add(
                guest_device.Renderer(_NODE), guest_device.Renderer(_OTHER)
            )

    def test_vgpu_and_renderer_are_not_one_screen(self):
        mdev = guest_device.Mdev(_ONE, model.Display.DMABUF, _NODE)
        graphics.add_mdevs(self.guest, [mdev], display=True)
        with self.impossible('session of renderD128: .*that another vGPU is'):
            self.add(guest_device.Renderer(_NODE))
