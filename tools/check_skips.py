"""Count the tests of stestr's runs, and refuse a skip that gives no reason.

Exits with 1, naming the tests, when a test was skipped without a reason,
failed, or is in the ``--expect`` list and did not run. Of one that failed the
error is told, shortened. The last line is ``N passed, N failed, N skipped``.
"""

import argparse
import collections
import pathlib
import sys

import subunit
import testtools
from stestr.repository import util

# How much of an error is told, in characters.
_LONGEST = 600
_OUTCOMES = {'success': 'passed', 'xfail': 'passed', 'skip': 'skipped'}


def outcomes(stream):
    """Read one run of subunit v2: (test id, outcome, reason) for each test.

    The reason is that of a skip, or the error of a failure.

    A test that began and never ended, as in a worker that died, failed.
    """
    tests = []

    def on_test(test):
        if test['status'] == 'exists':
            return
        outcome = _OUTCOMES.get(test['status'], 'failed')
        told = 'traceback' if outcome == 'failed' else 'reason'
        found = test['details'].get(told)
        text = found.as_text().strip() if found else ''
        if outcome == 'failed':
            text = error(text)
        tests.append((test['id'], outcome, text))

    result = testtools.StreamToDict(on_test)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name='stdout').run(
        result
    )
    result.stopTestRun()
    return tests


def error(traceback):
    """Find the error in a traceback: what stands after its last place.

    Where lines follow the error, as in a comparison, these belong to it.
    """
    lines = traceback.splitlines()
    places = [n for n, line in enumerate(lines) if line.startswith('  File ')]
    after = lines[places[-1] + 1 :] if places else lines
    words = ' '.join(
        line.strip() for line in after if not line.startswith('    ')
    )
    return words if len(words) <= _LONGEST else f'{words[:_LONGEST]}...'


def expected(path):
    """Read a list of test ids: one a line; blank lines and # are left out."""
    lines = pathlib.Path(path).read_text().splitlines()
    stripped = (line.strip() for line in lines)
    return {line for line in stripped if line and not line.startswith('#')}


def report(tests, wanted=frozenset()):
    """Print what is wrong with the tests, then their counts; tell if good."""
    complaints = [
        f'failed: {i}{why and f": {why}"}'
        for i, outcome, why in tests
        if outcome == 'failed'
    ]
    complaints += [
        f'skipped without a reason: {i}'
        for i, outcome, reason in tests
        if outcome == 'skipped' and not reason
    ]
    missing = wanted - {i for i, _, _ in tests}
    complaints += [f'did not run: {i}' for i in sorted(missing)]
    for complaint in complaints:
        print(complaint)
    counts = collections.Counter(outcome for _, outcome, _ in tests)
    print(
        ', '.join(
            f'{counts[outcome]} {outcome}'
            for outcome in ('passed', 'failed', 'skipped')
        )
    )
    return not complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--since',
        type=int,
        metavar='N',
        help="count stestr's runs from number N on, not the last one alone",
    )
    parser.add_argument(
        '--expect', metavar='FILE', help='test ids that must have run'
    )
    args = parser.parse_args()
    repository = util.get_repo_open()
    count = repository.count()
    first = count - 1 if args.since is None else args.since
    tests = []
    for number in range(first, count):
        run = repository.get_test_run(str(number))
        tests += outcomes(run.get_subunit_stream())
    wanted = expected(args.expect) if args.expect else frozenset()
    return 0 if report(tests, wanted) else 1


if __name__ == '__main__':
    sys.exit(main())
