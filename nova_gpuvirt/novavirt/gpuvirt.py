"""Load the driver as ``gpuvirt.GpuLibvirtDriver``; see `nova_gpuvirt`."""

from nova_gpuvirt.compute.driver import GpuLibvirtDriver  # noqa: F401
