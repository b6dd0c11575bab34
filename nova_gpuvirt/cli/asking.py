"""Which cloud the commands ask, and what they say when it does not answer."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import keystoneauth1.exceptions
import novaclient.exceptions
import openstack.config
import openstack.exceptions

from nova_gpuvirt import exception

# The credentials are missing, wrong, or not an administrator's.
_DENIED = (
    keystoneauth1.exceptions.AuthPluginException,
    keystoneauth1.exceptions.Unauthorized,
    keystoneauth1.exceptions.Forbidden,
    novaclient.exceptions.Unauthorized,
    novaclient.exceptions.Forbidden,
    openstack.exceptions.ConfigException,
)
_FAILED = (
    keystoneauth1.exceptions.ClientException,
    novaclient.exceptions.ClientException,
)


def add_argument(parser: argparse.ArgumentParser, where: str = '') -> None:
    """Add which cloud to ask.

    :param where: what the option goes with, if not always
    """
    parser.add_argument(
        '--os-cloud',
        metavar='NAME',
        help=f'{where}a cloud of clouds.yaml (default: $OS_CLOUD)',
    )


def region_of(args: argparse.Namespace) -> Any:
    """Find the cloud that is to be asked, with its credentials."""
    return openstack.config.get_cloud_region(cloud=args.os_cloud)


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Say what of the cloud failed, and what to do.

    :raises InvalidOption: in place of what its clients raise
    """
    # Of what fails it warns beside the error.
    log = logging.getLogger('keystoneauth')
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    except _DENIED as error:
        raise _without_credentials(error) from error
    except _FAILED as error:
        raise exception.InvalidOption(
            '--os-cloud',
            wanted='answers of Keystone, Nova and Placement',
            found=_said(error),
            remedy='look whether each runs, and what auth_url, region_name, '
            'interface and endpoints are set for the cloud',
        ) from error
    except Exception as error:
        # keystoneauth says so of a password that is missing.
        if type(error) is not Exception:
            raise
        raise _without_credentials(error) from error
    finally:
        log.setLevel(before)


def _without_credentials(error: Exception) -> exception.InvalidOption:
    return exception.InvalidOption(
        '--os-cloud',
        wanted="an administrator's credentials",
        found=_said(error),
        remedy='set OS_CLOUD to a cloud of clouds.yaml, or OS_AUTH_URL and '
        'its kin',
    )


def _said(error: Exception) -> str:
    """Tell an error, and which URL it is of where it does not say itself."""
    url = getattr(error, 'url', None)
    return f'{error} of {url}' if url else str(error)
