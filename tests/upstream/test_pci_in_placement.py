"""Nova's own tests of PCI devices in Placement, on our driver."""

from nova.tests.functional.libvirt import test_pci_in_placement

from tests.upstream import switched

globals().update(switched.cases(test_pci_in_placement, __name__))
