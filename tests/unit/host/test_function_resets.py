"""What does not return is left behind, and its function left alone."""

import errno
import threading
import time

import testtools

from nova_gpuvirt.host import function_resets

_ONE, _OTHER = '0000:3b:00.0', '0000:3b:00.1'


class FunctionResetsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.done = []
        self.may_return = threading.Event()
        self.addCleanup(self.may_return.set)
        self.hangs = False
        self.resets = function_resets.FunctionResets(
            lambda address: self.work('read', address) or b'\0' * 64,
            lambda address: self.work('reset', address),
            lambda addresses: self.work('bus', *addresses),
            seconds=0.1,
            read_seconds=0.1,
        )

    def work(self, *what):
        if self.hangs:
            self.may_return.wait(30)
        self.done.append(tuple(map(str, what)))

    def refused(self, number, ask, *arguments):
        error = self.assertRaises(OSError, ask, *arguments)
        self.assertEqual(number, error.errno, error)
        self.assertIn(_ONE, str(error))

    def wait(self):
        self.may_return.set()
        for _ in range(200):
            if self.done:
                return
            time.sleep(0.02)

    def test_each_is_asked_of_the_kernel(self):
        self.assertEqual(bytes(64), self.resets.config_space(_ONE))
        self.resets.reset_function(_ONE)
        self.resets.reset_bus([_ONE, _OTHER])
        self.assertEqual(
            [('read', _ONE), ('reset', _ONE), ('bus', _ONE, _OTHER)],
            self.done,
        )

    def test_kernels_refusals_are_passed_on(self):
        def refuse(*_):
            raise OSError(errno.ENOTTY, f'no way for {_ONE}')

        resets = function_resets.FunctionResets(refuse, refuse, refuse)
        for _ in range(2):
            self.refused(errno.ENOTTY, resets.reset_function, _ONE)
            self.refused(errno.ENOTTY, resets.reset_bus, [_ONE])
            self.refused(errno.ENOTTY, resets.config_space, _ONE)

    def test_kernels_own_timeout_is_passed_on(self):
        def refuse(*_):
            raise TimeoutError(errno.ETIMEDOUT, f'{_ONE} is dead')

        resets = function_resets.FunctionResets(refuse, refuse, refuse)
        self.refused(errno.ETIMEDOUT, resets.reset_function, _ONE)

    def test_function_is_left_alone_until_its_reset_has_returned(self):
        for reset, argument in (
            (self.resets.reset_function, _ONE),
            (self.resets.reset_bus, [_ONE, _OTHER]),
        ):
            self.hangs = True
            self.refused(errno.ETIMEDOUT, reset, argument)
            self.hangs = False
            self.refused(errno.EBUSY, self.resets.reset_function, _ONE)
            self.refused(errno.EBUSY, self.resets.reset_bus, [_ONE, _OTHER])
            self.refused(errno.EBUSY, self.resets.config_space, _ONE)
            self.assertEqual([], self.done)
            self.wait()
            self.done.clear()
            for _ in range(200):
                try:
                    self.resets.reset_function(_ONE)
                except OSError:
                    time.sleep(0.02)
                else:
                    break
            self.assertEqual([('reset', _ONE)], self.done)
            self.done.clear()
            self.may_return.clear()

    def test_other_functions_go_on(self):
        self.hangs = True
        self.refused(errno.ETIMEDOUT, self.resets.reset_function, _ONE)
        self.hangs = False
        self.resets.reset_function(_OTHER)
        self.resets.config_space(_OTHER)

    def test_reading_that_hangs_is_not_begun_again(self):
        self.hangs = True
        self.refused(errno.ETIMEDOUT, self.resets.config_space, _ONE)
        self.refused(errno.EBUSY, self.resets.config_space, _ONE)

    def test_nothing_but_addresses_is_taken(self):
        for address in ('', '..', f'{_ONE}/../x'):
            for ask in (self.resets.reset_function, self.resets.config_space):
                self.assertRaises(ValueError, ask, address)
            self.assertRaises(ValueError, self.resets.reset_bus, [address])
        self.assertRaises(ValueError, self.resets.reset_bus, [])
        self.assertRaises(ValueError, self.resets.reset_bus, [_ONE] * 257)
        self.assertEqual([], self.done)
