"""What is remembered of a host's cards, and which card is meant."""

from __future__ import annotations

import argparse
import functools
import pathlib
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import opts
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import options
from nova_gpuvirt.cli import where
from nova_gpuvirt.health import quarantine as quarantine_
from nova_gpuvirt.health import records
from nova_gpuvirt.host import files
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import users

_HERE = pathlib.Path('/')
# Of a host that remembers nothing.
_NOWHERE = pathlib.Path('/dev/null')


class Remembered:
    """What nova-compute of this host remembers, and the host it looks at.

    :param named: its files of options, if not where they are by default
    :raises InvalidOption: when these can't be read
    """

    def __init__(self, named: list[str]) -> None:
        conf = options_of(named)
        self.records = records.Records(_HERE / _state_path(conf))
        self._accelerators = options.of(conf).accelerators
        self._root = pathlib.Path(_option(conf, 'sysfs_root'))

    def card(self, name: str) -> tuple[model.PciAddress, bool]:
        """Tell which card is meant, and whether it is there.

        :param name: the address of a card, or of a VF or companion of it, or
            its render node
        :raises InvalidOption: when it is of no GPU that has an address
        """
        device = model.parse_device(name)
        tree = sysfs.Sysfs(self._root)
        found = discovery.discover(
            tree, pciids.PciIds((self._root, _HERE)), self._accelerators
        )
        for gpu in found.gpus:
            others = (gpu.render_node, *(f.address for f in gpu.companions))
            if gpu.function and (gpu.holds(device) or device in others):
                return gpu.function.address, True
        if not isinstance(device, model.PciAddress) or (
            device in tree.addresses() and device not in found.unreadable
        ):
            cards = ', '.join(str(g.address) for g in found.gpus if g.function)
            raise exception.InvalidOption(
                'ADDRESS',
                wanted='a GPU on PCI',
                found=name,
                remedy=f'there are {cards or "none"}; [gpuvirt]exclude names '
                'what is not to be offered otherwise',
            )
        return device, device in found.unreadable


def options_of(named: Sequence[str]) -> nova_conf.NovaConf:
    """Read the options of this host's nova-compute.

    :param named: its files of options, if not where they are by default
    :raises InvalidOption: when these can't be read
    """
    conf = nova_conf.of(files.OnDisk(_HERE), named)
    wrong = {**conf.unseen, **conf.wrong}
    if wrong:
        raise exception.InvalidOption(
            ', '.join(f'/{path}' for path in wrong),
            wanted='to know the options of nova-compute',
            found='; '.join(wrong.values()),
            remedy='run this as root, where nova-compute runs',
        )
    return conf


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where nova-compute has its options from."""
    parser.add_argument(
        '--config-file',
        action='append',
        default=[],
        metavar='FILE',
        help='a nova.conf, as nova-compute has it, for [gpuvirt]state_path; '
        'may be repeated (default: those below /etc/nova)',
    )


def quarantine_of(args: argparse.Namespace) -> quarantine_.Quarantine:
    """Tell the quarantine of the host that a command looks at.

    :param args: those of `where.add_arguments`
    """
    found = _records_of(args, ())
    return (
        quarantine_.Quarantine()
        if found is None
        else quarantine_.Quarantine(found.read)
    )


def had(args: argparse.Namespace) -> Callable[[model.Device], str | None]:
    """Tell how to ask who has a card, or had it and left it dirty.

    :param args: as for `made`
    """
    return functools.partial(
        users.remembered, _records_of(args, args.config_file)
    )


def made(args: argparse.Namespace) -> in_force.InForce:
    """Tell what the cards were made to be of the host that is looked at.

    :param args: those of `where.add_arguments`, and the files of options that
        nova-compute has
    """
    found = _records_of(args, args.config_file)
    layouts = in_force.InForce(found or records.Records(_NOWHERE))
    layouts.look()
    return layouts


def _records_of(
    args: argparse.Namespace, named: Sequence[str]
) -> records.Records | None:
    """Find the records of the host that a command looks at.

    :param named: files of this machine in place of the host's nova.conf
    :returns: None for a capture, and for a simulated host
    """
    root = where.folder(args)
    if root is None:
        return None
    conf = nova_conf.of(root, named)
    return records.Records(pathlib.Path(args.root) / _state_path(conf))


def _state_path(conf: nova_conf.NovaConf) -> str:
    """Tell where the folder is, relative to the root of its host."""
    return _option(conf, 'state_path').lstrip('/')


def _option(conf: nova_conf.NovaConf, name: str) -> str:
    """Read an option of [gpuvirt].

    :raises InvalidOption: when it can't be known
    """
    try:
        return nova_conf.text(conf, name)
    except finding.Unseen as error:
        raise exception.InvalidOption(
            f'[{opts.GROUP}]{name}',
            wanted='a folder',
            found=str(error),
            remedy=error.remedy,
        ) from error
