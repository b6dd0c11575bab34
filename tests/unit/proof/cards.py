"""A card, and outcomes of trials with it."""

from nova_gpuvirt import model
from nova_gpuvirt.proof import life
from nova_gpuvirt.proof import trials
from tests.unit import functions


def _function(address, device, code):
    return functions.function(
        model.PciAddress.parse(address),
        device_id=device,
        class_code=code,
        driver='nvidia',
        numa_node=None,
    )


AUDIO = _function('0000:3b:00.1', 0x10F8, 0x040300)
T4 = model.Gpu(
    _function('0000:3b:00.0', 0x1EB8, 0x030200),
    (AUDIO,),
    vendor='NVIDIA',
    model='Tesla T4',
)


def outcome(identifier, failures=(), meanwhile=None, after=None):
    """Say what came of a trial with the card."""
    return life.Outcome(
        trials.Trial(T4, model.Claim('PGPU', identifier)),
        {'prepare': 0.12, 'guest': 30.0, 'end': 0.0, 'release': 1.0},
        tuple(failures),
        {'0000:3b:00.0 driver': 'x'} if meanwhile is None else meanwhile,
        after or {},
    )
