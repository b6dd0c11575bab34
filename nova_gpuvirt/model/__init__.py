"""The data of nova-gpuvirt: what stands in a host, and what is claimed of it.

Everything here is a frozen value with no I/O. What has a text form
(`PciAddress`, `RenderNode`, `CardSet`, `FabricName`, `Slot`) prints and
parses without loss.
"""

from nova_gpuvirt.model.claim import SET
from nova_gpuvirt.model.claim import WHOLE
from nova_gpuvirt.model.claim import Claim
from nova_gpuvirt.model.claim import Slot
from nova_gpuvirt.model.device import SET_CLASS
from nova_gpuvirt.model.device import CardSet
from nova_gpuvirt.model.device import Device
from nova_gpuvirt.model.device import FabricName
from nova_gpuvirt.model.device import Ids
from nova_gpuvirt.model.device import PciAddress
from nova_gpuvirt.model.device import RenderNode
from nova_gpuvirt.model.device import parse_card
from nova_gpuvirt.model.device import parse_device
from nova_gpuvirt.model.gpu import AMD
from nova_gpuvirt.model.gpu import GPU_CLASS
from nova_gpuvirt.model.gpu import INTEL
from nova_gpuvirt.model.gpu import NO_VENDOR
from nova_gpuvirt.model.gpu import NVIDIA
from nova_gpuvirt.model.gpu import PCI_BRIDGE
from nova_gpuvirt.model.gpu import SESSION_CLASS
from nova_gpuvirt.model.gpu import VGPU_CLASS
from nova_gpuvirt.model.gpu import Display
from nova_gpuvirt.model.gpu import Gpu
from nova_gpuvirt.model.gpu import PciFunction
from nova_gpuvirt.model.gpu import Profile
from nova_gpuvirt.model.gpu import Rule
from nova_gpuvirt.model.gpu import Share
from nova_gpuvirt.model.gpu import Vgpu
from nova_gpuvirt.model.gpu import is_gpu_class

__all__ = (
    'AMD',
    'GPU_CLASS',
    'INTEL',
    'NO_VENDOR',
    'NVIDIA',
    'PCI_BRIDGE',
    'SESSION_CLASS',
    'SET',
    'SET_CLASS',
    'VGPU_CLASS',
    'WHOLE',
    'CardSet',
    'Claim',
    'Device',
    'Display',
    'FabricName',
    'Gpu',
    'Ids',
    'PciAddress',
    'PciFunction',
    'Profile',
    'RenderNode',
    'Rule',
    'Share',
    'Slot',
    'Vgpu',
    'is_gpu_class',
    'parse_card',
    'parse_device',
)
