"""What the commands that ask a cloud say when it does not answer."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import keystoneauth1.exceptions
import novaclient.exceptions
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
