"""Nova's own tests of PCI devices in guests, on our driver."""

from nova.tests.functional.libvirt import test_pci_sriov_servers

from tests.upstream import switched

globals().update(switched.cases(test_pci_sriov_servers, __name__))
