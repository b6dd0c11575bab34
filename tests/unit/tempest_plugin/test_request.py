"""What a flavor asks Placement for."""

import testtools

from nova_gpuvirt.tempest_plugin import request


class GpusTest(testtools.TestCase):
    def test_every_class_of_gpu_is_counted(self):
        for rc in ('PGPU', 'VGPU', 'CUSTOM_VGPU_NVIDIA_T4_2Q'):
            self.assertEqual({rc: 2}, request.gpus({f'resources:{rc}': '2'}))

    def test_groups_are_added_up(self):
        self.assertEqual(
            {'PGPU': 3, 'VGPU': 1},
            request.gpus(
                {
                    'resources1:PGPU': '1',
                    'resources_B-2:PGPU': '2',
                    'resources:VGPU': '1',
                }
            ),
        )

    def test_other_properties_are_no_gpus(self):
        self.assertEqual(
            {},
            request.gpus(
                {
                    'resources:VCPU': '2',
                    'resources1:NET_BW_EGR_KILOBIT_PER_SEC': '1',
                    'trait:CUSTOM_GPU_VENDOR_NVIDIA': 'required',
                    'hw:cpu_policy': 'dedicated',
                    'other:resources:PGPU': '1',
                }
            ),
        )


class QueryTest(testtools.TestCase):
    def test_classes_of_a_group_stand_together(self):
        self.assertEqual(
            {'resources': 'VGPU:1,CUSTOM_GPU_API_SESSION:2'},
            request.query(
                {
                    'resources:VGPU': '1',
                    'resources:CUSTOM_GPU_API_SESSION': '2',
                }
            ),
        )

    def test_traits_stand_with_their_group(self):
        self.assertEqual(
            {
                'resources1': 'PGPU:1',
                'required1': 'CUSTOM_A,!CUSTOM_B',
                'resources2': 'PGPU:1',
                'group_policy': 'isolate',
            },
            request.query(
                {
                    'resources1:PGPU': '1',
                    'trait1:CUSTOM_A': 'required',
                    'trait1:CUSTOM_B': 'forbidden',
                    'resources2:PGPU': '1',
                    'group_policy': 'isolate',
                }
            ),
        )

    def test_only_gpus_are_asked_for(self):
        self.assertEqual(
            {'resources': 'VGPU:1'},
            request.query(
                {
                    'resources:VGPU': '1',
                    'resources:VCPU': '0',
                    'resources_NET:NET_BW_EGR_KILOBIT_PER_SEC': '1',
                    'trait_NET:CUSTOM_PHYSNET': 'required',
                }
            ),
        )
