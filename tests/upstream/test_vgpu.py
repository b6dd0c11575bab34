"""Nova's own tests of vGPUs, on our driver."""

from nova.tests.functional.libvirt import test_vgpu

from tests.upstream import switched

globals().update(switched.cases(test_vgpu, __name__))
