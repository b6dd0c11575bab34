"""NVIDIA's nvidia-vgpu-mgr, and its plugin in each QEMU that has a vGPU.

Sources: that it keeps a vGPU for seconds after its QEMU has ended, is what
Proxmox's qemu-server allows for (QemuServer.pm, `cleanup_pci_devices`: ten
writes of 0, a second before each; and ten seconds for drivers that remove
an mdev themselves), and kernel/hypeman's, which tries for ten minutes. That a
SIGKILL in the plugin's first 30 seconds or so wedges the VF, without a word
in the host's log, is from kernel/hypeman (lib/devices/GPU.md): guests that
have it later fail inside (``RmInitAdapter failed! (0x22:0x65:…)``), until
the card's VFs were disabled and enabled again.

Guesses: that what it still keeps can't be taken away with EBUSY, that a QEMU
whose plugin starts ends on SIGTERM when that has started, that mdevs are
like VFs in this, and that removing an mdev cures it no more than a 0 that is
written to a VF, but the end of its VF does.
"""

from __future__ import annotations

from collections.abc import Collection

_START = 30.0


class VgpuManager:
    """The manager. Its time passes when somebody says so, and never else.

    vGPUs are named by their VF or their mdev.

    :ivar seconds: how long it keeps a vGPU after its QEMU has ended
    :ivar removes: whether it then takes the vGPU away by itself
    :ivar wedged: the vGPUs whose QEMU was killed while its plugin started,
        each with its function: their own address, or their parent's
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.removes = False
        self.wedged: dict[str, str] = {}
        self._now = 0.0
        self._opened: dict[str, float] = {}
        self._functions: dict[str, str] = {}
        self._closed: dict[str, float] = {}

    def opened(self, vgpu: str, function: str) -> None:
        """Start the plugin of a QEMU that has opened a vGPU.

        :param function: of a VF itself, of an mdev its parent
        """
        self._opened[vgpu] = self._now
        self._functions[vgpu] = function
        self._closed.pop(vgpu, None)

    def closed(self, vgpu: str) -> None:
        """Begin to let go of a vGPU, if a QEMU had it."""
        if self._opened.pop(vgpu, None) is not None and self.seconds:
            self._closed[vgpu] = self._now

    def keeps(self, vgpu: str) -> bool:
        """Tell whether it has not let go of a vGPU yet."""
        closed = self._closed.get(vgpu)
        return closed is not None and self._now < closed + self.seconds

    def terminate(self, vgpus: Collection[str], patience: float) -> bool:
        """Send a SIGTERM to the QEMU that has these, and wait for its end.

        :param patience: seconds
        :returns: whether it ends
        """
        wait = max((self._starts_for(vgpu) for vgpu in vgpus), default=0.0)
        self._now += min(wait, patience)
        return wait <= patience

    def kill(self, vgpus: Collection[str]) -> None:
        """Send it a SIGKILL."""
        self.wedged.update(
            (v, self._functions[v]) for v in vgpus if self._starts_for(v)
        )

    def advance(self, seconds: float) -> list[str]:
        """Let time pass.

        :returns: the vGPUs that it has let go of meanwhile
        """
        self._now += seconds
        gone = [vgpu for vgpu in self._closed if not self.keeps(vgpu)]
        for vgpu in gone:
            del self._closed[vgpu]
        return gone

    def forget(self, vgpu: str) -> None:
        """Forget who had a VF or an mdev that is no more."""
        self._opened.pop(vgpu, None)
        self._closed.pop(vgpu, None)
        self._functions.pop(vgpu, None)

    def cure(self, function: str) -> None:
        """Forget a function that is no more, and what is wedged of it."""
        self.forget(function)
        self.wedged = {v: f for v, f in self.wedged.items() if f != function}

    def _starts_for(self, vgpu: str) -> float:
        """Tell how long its plugin is still starting, in seconds."""
        opened = self._opened.get(vgpu)
        return 0.0 if opened is None else max(opened + _START - self._now, 0.0)
