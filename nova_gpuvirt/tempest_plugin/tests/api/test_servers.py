"""The life of servers with GPUs."""

from __future__ import annotations

from tempest import config
from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc

from nova_gpuvirt.tempest_plugin import inventory
from nova_gpuvirt.tempest_plugin import request
from nova_gpuvirt.tempest_plugin.tests.api import base

CONF = config.CONF


@decorators.serial
class GpuServersTest(base.GpuTest):
    """Boot, reboot, resize, exhaust and delete, for each flavor."""

    @decorators.idempotent_id('926953d5-4e91-4558-a7af-5242c1f3d058')
    def test_boot_takes_a_gpu_and_delete_gives_it_back(self) -> None:
        """A server gets one of Placement's candidates, until it is gone."""
        for flavor in self.flavors:
            before = self.left()
            candidates = self.candidates(flavor)
            server = self.boot(flavor)
            self.assert_has_gpus(server, flavor)
            self.assertIn(self.allocated(server), candidates)
            self.assert_left(before, self.allocated(server))
            self.delete(server)
            self.assert_all_left(before)

    @decorators.idempotent_id('601caad1-0edb-434c-bd2a-57f05b42b879')
    def test_hard_reboot_keeps_the_gpu(self) -> None:
        """A server has the same GPU after a hard reboot."""
        for flavor in self.flavors:
            before = self.left()
            server = self.boot(flavor)
            allocated = self.allocated(server)
            left = self.left()
            self.reboot_server(server, type='HARD')
            self.assertEqual(allocated, self.allocated(server))
            self.assert_all_left(left)
            self.delete(server)
            self.assert_all_left(before)

    @decorators.idempotent_id('4ab2ff03-ee50-44b1-9a01-cff53d8a1142')
    def test_exhaustion_is_refused_and_ends_with_a_delete(self) -> None:
        """Servers boot until Placement has no candidate, and no more do."""
        exhausted = []
        for flavor in self.flavors:
            before = self.left()
            wanted = request.gpus(flavor.extra_specs)
            if inventory.room(before, wanted) > CONF.gpuvirt.exhaust_at_most:
                continue
            servers = []
            while self.candidates(flavor):
                servers.append(self.boot(flavor))
            self.assertNotEqual([], servers, f'{flavor.name} fits nowhere')
            refused = self.boot_refused(flavor)
            self.assertEqual({}, self.allocated(refused))
            self.delete(refused)
            self.delete(servers.pop())
            servers.append(self.boot(flavor))
            for server in servers:
                self.assert_has_gpus(server, flavor)
                self.delete(server)
            self.assert_all_left(before)
            exhausted.append(flavor.name)
        if not exhausted:
            raise self.skipException(
                f'more than [gpuvirt]exhaust_at_most '
                f'({CONF.gpuvirt.exhaust_at_most}) servers fit of each flavor'
            )


@decorators.serial
class GpuResizeTest(base.GpuTest):
    """Resize from each flavor to another one."""

    @classmethod
    def skip_checks(cls) -> None:
        """Skip without a flavor to resize to."""
        super().skip_checks()
        if not CONF.gpuvirt.resize_flavor:
            raise cls.skipException('[gpuvirt]resize_flavor names no flavor')
        if not CONF.compute_feature_enabled.resize:
            raise cls.skipException('[compute-feature-enabled]resize is false')

    @classmethod
    def resource_setup(cls) -> None:
        """Find the flavor to resize to."""
        super().resource_setup()
        cls.target = cls.flavor(CONF.gpuvirt.resize_flavor)
        cls.flavors = [f for f in cls.flavors if f.id != cls.target.id]
        if not cls.flavors:
            raise lib_exc.InvalidConfiguration(
                f'[gpuvirt]resize_flavor: wanted a flavor to resize to from '
                f'another one in flavors, found {cls.target.name} alone; name '
                'another one'
            )

    @decorators.idempotent_id('31f6d1a8-2278-429e-992e-68cee655c963')
    def test_confirmed_resize_gives_the_old_gpu_back(self) -> None:
        """A server has the GPUs of its new flavor, and no others."""
        for flavor in self.flavors:
            before = self.left()
            server = self.boot(flavor)
            self.resize_server(server, self.target.id)
            self.assert_has_gpus(server, self.target)
            self.assert_left(before, self.allocated(server))
            self.delete(server)
            self.assert_all_left(before)

    @decorators.idempotent_id('d6c92b8e-7dd2-4b48-b028-86db13659405')
    def test_reverted_resize_gives_the_new_gpu_back(self) -> None:
        """A server has the very GPUs that it had before."""
        for flavor in self.flavors:
            before = self.left()
            server = self.boot(flavor)
            allocated = self.allocated(server)
            left = self.left()
            self.servers_client.resize_server(server, self.target.id)
            self.wait_for_status(server, 'VERIFY_RESIZE')
            self.servers_client.revert_resize_server(server)
            self.wait_for_status(server, 'ACTIVE')
            self.assertEqual(allocated, self.allocated(server))
            self.assert_all_left(left)
            self.delete(server)
            self.assert_all_left(before)
