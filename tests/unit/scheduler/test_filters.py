"""What the filter refuses of a host before it looks at the host's cards."""

import types
import unittest
import uuid
from unittest import mock

from nova import exception as nova_exception
from nova import objects
from nova.compute import provider_tree

from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import filters

_CELL, _OTHER = str(uuid.uuid4()), str(uuid.uuid4())
_SHOWN = {'hw:gpuvirt_display': 'true'}
_WHOLE = {'resources:PGPU': '1'}
_VGPU = {'resources:VGPU': '1'}


class FilterTest(unittest.TestCase):
    def setUp(self):
        # It registers what the objects need of one another.
        self.assertTrue(provider_tree.ProviderTree)
        objects.register_all()
        part = candidate.Part(str(uuid.uuid4()), 'PGPU', 1)
        # A host where one choice fits.
        self.view = mock.Mock(providers={})
        self.view.with_taken.return_value = self.view
        self.view.step.return_value.fits = True
        for name, made in (
            ('state.view', self.view),
            ('state.pending', ()),
            ('state.scorer', mock.Mock()),
            ('state.GpuHostState.of', None),
            ('candidate.parts', (part,)),
            ('nearness.nearness', None),
        ):
            self.patched(name, return_value=made)
        self.of_build = self.patched(
            'objects.BuildRequest.get_by_instance_uuid',
            side_effect=nova_exception.BuildRequestNotFound(uuid='x'),
        )
        self.mapping = self.patched(
            'objects.InstanceMapping.get_by_instance_uuid'
        )
        self.mapping.return_value.cell_mapping.uuid = _CELL

    def patched(self, name, **kw):
        patch = mock.patch(f'{filters.__name__}.{name}', **kw)
        self.addCleanup(patch.stop)
        return patch.start()

    def passes(self, spec, host=_CELL, destination=None):
        """Ask for a host of a cell; True where nothing speaks against it."""
        request = objects.RequestSpec(
            instance_uuid=str(uuid.uuid4()),
            flavor=objects.Flavor(
                name='f', vcpus=1, memory_mb=1, extra_specs=spec
            ),
            requested_destination=destination,
        )
        host_state = types.SimpleNamespace(
            host='host1', cell_uuid=host, allocation_candidates=[{}]
        )
        return filters._Asked(mock.Mock(), request).passes(host_state)

    def image(self, **properties):
        """Let the server be new, with an image of these properties."""
        request = mock.Mock()
        request.instance.system_metadata = {
            f'image_{name}': value for name, value in properties.items()
        }
        self.of_build.side_effect = None
        self.of_build.return_value = request

    def test_screen_is_asked_for_by_the_flavor(self):
        self.view.shows.return_value = False
        self.assertFalse(self.passes(_VGPU | _SHOWN))
        self.assertTrue(self.passes(_VGPU))
        self.view.shows.return_value = True
        self.assertTrue(self.passes(_VGPU | _SHOWN))

    def test_image_may_ask_for_the_screen_of_a_new_server(self):
        self.view.shows.return_value = False
        self.image(hw_gpuvirt_display='yes')
        self.assertFalse(self.passes(_WHOLE))
        self.image(hw_gpuvirt_display='no')
        self.assertTrue(self.passes(_WHOLE))

    def test_build_request_is_not_read_for_a_flavor_without_gpus(self):
        self.assertTrue(self.passes({}))
        self.of_build.assert_not_called()

    def test_server_goes_to_another_cell_nowhere(self):
        away = objects.Destination(allow_cross_cell_move=True)
        self.assertTrue(self.passes(_WHOLE, _CELL, away))
        self.assertFalse(self.passes(_WHOLE, _OTHER, away))

    def test_server_that_does_not_move_across_is_not_looked_up(self):
        for destination in (None, objects.Destination()):
            self.assertTrue(self.passes(_WHOLE, _OTHER, destination))
        self.mapping.assert_not_called()
