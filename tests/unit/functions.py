"""A PCI function for tests that look at none of a simulated host's."""

from nova_gpuvirt import model


def function(address, **values):
    """Make a card of NVIDIA's with nothing but an address.

    :param values: what it has otherwise
    """
    return model.PciFunction(
        address,
        **{
            'class_code': 0x030200,
            'vendor_id': 0x10DE,
            'device_id': 0x1EB8,
            'subsystem': (0, 0),
            'driver': None,
            'numa_node': 0,
            'iommu_group': 1,
            'bars': (),
            'boot_vga': False,
            'physfn': None,
            'sriov_totalvfs': 0,
            'virtfns': (),
        }
        | values,
    )
