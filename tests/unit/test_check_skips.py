import contextlib
import importlib.util
import io
import pathlib
import unittest

import subunit

_TOOL = pathlib.Path(__file__).parents[2] / 'tools/check_skips.py'
_spec = importlib.util.spec_from_file_location('check_skips', _TOOL)
check_skips = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_skips)


class CheckSkipsTest(unittest.TestCase):
    def setUp(self):
        self.stream = io.BytesIO()
        self.result = subunit.StreamResultToBytes(self.stream)

    def run_test(self, name, status, reason=None, told_as='reason'):
        self.result.status(test_id=name, test_status='inprogress')
        if reason is not None:
            self.result.status(
                test_id=name,
                file_name=told_as,
                file_bytes=reason.encode(),
                mime_type='text/plain; charset="utf8"',
                eof=True,
            )
        if status:
            self.result.status(test_id=name, test_status=status)

    def report(self, *wanted):
        self.stream.seek(0)
        tests = check_skips.outcomes(self.stream)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            good = check_skips.report(tests, set(wanted))
        return good, printed.getvalue().splitlines()

    def test_skip_with_a_reason_is_good(self):
        self.run_test('a', 'success')
        self.run_test('b', 'skip', 'needs a GPU')
        self.assertEqual(
            (True, ['1 passed, 0 failed, 1 skipped']), self.report()
        )

    def test_skip_without_a_reason_is_named(self):
        self.run_test('a', 'skip')
        self.run_test('b', 'skip', ' ')
        good, printed = self.report()
        self.assertFalse(good)
        self.assertEqual(
            [
                'skipped without a reason: a',
                'skipped without a reason: b',
                '0 passed, 0 failed, 2 skipped',
            ],
            printed,
        )

    def test_failed_and_unfinished_tests_are_failures(self):
        self.run_test('a', 'fail')
        self.run_test('b', None)
        good, printed = self.report()
        self.assertFalse(good)
        self.assertEqual('0 passed, 2 failed, 0 skipped', printed[-1])

    def test_error_of_a_failure_is_told(self):
        traceback = """Traceback (most recent call last):
  File "lab/tests/host/base.py", line 60, in setUp
    self.until(lambda: ssh.wait(30, vm.runs), 600, 'gpu-host to answer')
    ~~~~~~~~~~^^^^^^
  File "lab/tests/base.py", line 90, in until
    raise AssertionError(f'waited {seconds} s for {what}')
AssertionError: waited 600 s for gpu-host to answer
reference = {}
actual    = {'0000:01:00.0'}
"""
        self.run_test('a', 'fail', traceback, 'traceback')
        _, printed = self.report()
        self.assertEqual(
            'failed: a: AssertionError: waited 600 s for gpu-host to answer '
            "reference = {} actual    = {'0000:01:00.0'}",
            printed[0],
        )

    def test_expected_test_that_did_not_run_is_named(self):
        self.run_test('a', 'success')
        good, printed = self.report('a', 'b')
        self.assertFalse(good)
        self.assertEqual(
            ['did not run: b', '1 passed, 0 failed, 0 skipped'], printed
        )
