"""Whether Nova is told to use the driver, the filter and the weigher."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import subject as subject_

_DRIVER = 'gpuvirt.GpuLibvirtDriver'
_SCHEDULER = 'filter_scheduler'
_FILTER = 'nova_gpuvirt.scheduler.filters.GpuFilter'
_WEIGHER = 'nova_gpuvirt.scheduler.weighers.GpuWeigher'
_ALL = 'nova.scheduler.filters.all_filters'


def uses_the_driver(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check [DEFAULT]compute_driver."""
    driver = subject.nova_conf.values.compute_driver
    if driver == _DRIVER:
        yield finding.passed(f'[DEFAULT]compute_driver is {_DRIVER}')
    else:
        yield finding.failure(
            f'[DEFAULT]compute_driver is {driver or "not set"}, so '
            'nova-compute offers no card by nova-gpuvirt',
            f'set it to {_DRIVER}, and start nova-compute as '
            'nova-compute-gpuvirt',
        )


def schedules(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check [filter_scheduler], which is nova-scheduler's.

    nova-scheduler does well with the filter and the weigher, and without.
    """
    if _SCHEDULER not in subject.nova_conf.names:
        yield finding.warning(
            f'whether nova-scheduler has GpuFilter is not seen: there is no '
            f'[{_SCHEDULER}] here',
            'run nova-gpuvirt check --config-file with the nova.conf of '
            'nova-scheduler, where that runs',
        )
        return
    conf = subject.nova_conf.values[_SCHEDULER]
    is_enabled = 'GpuFilter' in conf.enabled_filters
    if is_enabled and _FILTER not in conf.available_filters:
        yield finding.failure(
            'GpuFilter is enabled and not available: nova-scheduler does not '
            'start',
            f'put available_filters = {_ALL} and available_filters = '
            f'{_FILTER} into [{_SCHEDULER}]',
        )
        return
    missing = []
    if not is_enabled:
        missing.append(
            f'GpuFilter in enabled_filters (and {_FILTER} in '
            'available_filters)'
        )
    if _WEIGHER not in conf.weight_classes:
        missing.append(f'{_WEIGHER} in weight_classes')
    if missing:
        yield finding.warning(
            f'[{_SCHEDULER}] lacks {" and ".join(missing)}: guests go to '
            'cards that fit, and not to those that fit best',
            f'add it in [{_SCHEDULER}], and restart nova-scheduler',
        )
    else:
        yield finding.passed('nova-scheduler has GpuFilter and GpuWeigher')
