"""Calls and seconds are counted from lines that real services wrote."""

import unittest

from lab import logs

_BOOT = 'req-a3eaf952-51ef-4d05-9dfa-27a3198561c4'
_PERIODIC = 'req-3a332f10-3dfa-4ca9-9c7f-b953af22f7e4'
_ROOT = '5d1f5c8a-7f0e-4b8e-9a52-6c0d3a1b9e77'
_OTHER = '8213ddbd-1dc0-46eb-bcb3-371310e6f88b'

_WHO = (
    '5d58d690252244f689bd6f6be54318ed 07ff772c112e4e4b8f6302d196db1e26'
    ' - - default default'
)


def _placement(caller, call, status=200):
    own = 'req-31ae883a-72ec-4516-bdbd-b209f1893916'
    return (
        f'2026-11-24 15:27:25.783 21411 INFO placement.requestlog'
        f' [{caller} {own} {_WHO}] 127.0.0.1 "{call}" status: {status}'
        ' len: 141 microversion: 1.0\n'
        # uWSGI's own line of the same call
        '[pid: 21411|app: 0|req: 1101/1101] 127.0.0.1 () {32 vars in 800'
        f' bytes}} [Tue Nov 24 15:27:25 2026] {call} => generated 54 bytes'
        ' in 7 msecs (HTTP/1.1 200) 6 headers in 223 bytes (1 switches on'
        ' core 0)\n'
    )


_PLACEMENT = ''.join(
    (
        _placement(_BOOT, 'GET /allocation_candidates?resources=VCPU%3A1'),
        _placement(_PERIODIC, f'GET /resource_providers?in_tree={_ROOT}'),
        _placement(_BOOT, 'PUT /allocations/3c3dead5-1e75', 204),
        _placement(_PERIODIC, 'PUT /traits/CUSTOM_GPU_VENDOR_AMD', 201),
        _placement(_PERIODIC.replace('3', '4'), f'GET /x/{_OTHER}/traits'),
    )
)

_LIBVIRT = """\
2026-11-24 15:42:49.032+0000: 21: info : hostname: vm
2026-11-24 15:42:49.032+0000: 6: info : virNetServerClientDispatchRead:1223 : RPC_SERVER_CLIENT_MSG_RX: client=0x55cef866bbc0 len=28 prog=110102160 vers=1 proc=2 type=0 status=0 serial=2
2026-11-24 15:42:49.086+0000: 6: info : virNetServerClientNewInternal:409 : RPC_SERVER_CLIENT_NEW: client=0x55cef866bbc0 sock=0x55cef866df70
2026-11-24 15:42:49.087+0000: 6: info : virNetServerClientDispatchRead:1223 : RPC_SERVER_CLIENT_MSG_RX: client=0x55cef866bbc0 len=28 prog=536903814 vers=1 proc=66 type=0 status=0 serial=0
2026-11-24 15:42:49.087+0000: 9: info : virNetServerClientSendMessageLocked:1457 : RPC_SERVER_CLIENT_MSG_TX_QUEUE: client=0x55cef866bbc0 len=36 prog=536903814 vers=1 proc=66 type=1 status=0 serial=0
2026-11-24 15:42:49.092+0000: 6: info : virNetServerClientDispatchRead:1223 : RPC_SERVER_CLIENT_MSG_RX: client=0x55cef866bbc0 len=36 prog=536903814 vers=1 proc=273 type=0 status=0 serial=7
"""  # noqa: E501


def _nova(request, message, level='DEBUG'):
    return (
        f'2026-11-24 15:45:45.628 30173 {level} nova_gpuvirt.compute.timed'
        f' [None {request} {_WHO}] {message}\n'
    )


_AT = 'wrapper /opt/nova/lib/python3.13/site-packages/timeutils.py:425'
_DRIVER = 'nova_gpuvirt.compute.building.Building'
_REPORTER = 'nova_gpuvirt.compute.reports.reporter.Reporter'
_NOVA = ''.join(
    (
        _nova(_BOOT, f'{_DRIVER}._check took 0.250 s {_AT}'),
        _nova(_PERIODIC, f'{_REPORTER}._report took 10.500 s {_AT}'),
        _nova(_BOOT, f'{_DRIVER}._wire took 1.500 s {_AT}'),
        _nova(_BOOT, 'Took 28.01 seconds to spawn the instance', 'INFO'),
    )
)


class LogsTest(unittest.TestCase):
    def test_a_request_has_the_calls_with_its_id(self):
        self.assertEqual(2, logs.placement_calls(_PLACEMENT, _BOOT))

    def test_a_host_has_all_calls_of_the_tasks_that_read_its_providers(self):
        calls = logs.placement_calls_of_host(_PLACEMENT, (_ROOT,))
        self.assertEqual(2, calls)
        self.assertEqual(
            3, logs.placement_calls_of_host(_PLACEMENT, (_ROOT, _OTHER))
        )

    def test_answers_and_other_protocols_are_no_calls_to_libvirt(self):
        self.assertEqual(2, logs.libvirt_calls(_LIBVIRT))

    def test_seconds_are_those_of_our_steps(self):
        self.assertEqual(12.25, logs.seconds(_NOVA))

    def test_seconds_of_a_request_are_its_own(self):
        self.assertEqual(1.75, logs.seconds(_NOVA, _BOOT))
