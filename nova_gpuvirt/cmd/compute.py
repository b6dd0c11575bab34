"""nova-compute that can load ``gpuvirt.GpuLibvirtDriver``."""

# Importing Nova's command chooses eventlet or threads: it has to be first.
import nova.cmd.compute  # isort: skip

from nova_gpuvirt import novavirt


def main() -> None:
    """Run nova-compute."""
    novavirt.extend()
    nova.cmd.compute.main()
