"""What tempest asks a plugin for."""

from __future__ import annotations

import pathlib

from oslo_config import cfg
from tempest.test_discover import plugins

from nova_gpuvirt.tempest_plugin import config


class GpuvirtTempestPlugin(plugins.TempestPlugin):
    """Bring the tests of GPUs, and their options."""

    def load_tests(self) -> tuple[str, str]:
        """Tell where the tests are, and where their package begins."""
        here = pathlib.Path(__file__).resolve().parent
        return str(here / 'tests'), str(here.parents[1])

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Make the options known to tempest's configuration."""
        config.register_opts(conf)

    def get_opt_lists(self) -> list[tuple[str, list[cfg.Opt]]]:
        """List the options for tempest's sample configuration."""
        return config.list_opts()
