"""Each parser is fed with nonsense, for a moment; `make fuzz` goes on."""

import importlib
import logging
import time
import tracemalloc
import unittest

import hypothesis

from fuzz import bombs
from fuzz import mutation
from fuzz import parsers
from fuzz import target as target_
from fuzz import targets

_EXAMPLES = 100
# CPU seconds, and bytes, that an input of 64 KiB may take.
_SECONDS = 1.5
_MEMORY = 64 << 20


class ParsersTest(unittest.TestCase):
    def test_each_parser_of_the_package_has_a_target(self):
        fed = {name for each in targets.ALL for name in each.parses}
        inside = parsers.INSIDE.keys()
        self.assertEqual(
            set(), parsers.found() - fed - parsers.PRINT.keys() - inside
        )

    def test_exceptions_to_the_rule_are_there(self):
        found = parsers.found()
        self.assertEqual(set(), {*parsers.PRINT, *parsers.INSIDE} - found)
        fed = {name for each in targets.ALL for name in each.parses}
        self.assertEqual(set(), {*parsers.INSIDE.values()} - fed)

    def test_targets_feed_what_is_there(self):
        for each in targets.ALL:
            for name in each.parses:
                with self.subTest(each.name):
                    self.assertTrue(_is_there(name), name)

    def test_each_target_has_its_own_name_and_something_that_makes_sense(self):
        names = [each.name for each in targets.ALL]
        self.assertEqual(sorted(set(names)), sorted(names))
        for each in targets.ALL:
            self.assertTrue(each.seeds(), each.name)
            self.assertIs(each, targets.named(each.name))

    def test_what_is_broken_is_found(self):
        def call(data):
            target_.check(b'x' not in data, 'an x')

        broken = target_.Target('x', call, (), (ValueError, AssertionError))
        broken.feed(b'a')
        self.assertRaises(target_.Broken, broken.feed, b'ax')


def _is_there(name):
    parts = name.split('.')
    for count in range(len(parts) - 1, 0, -1):
        path = '.'.join(('nova_gpuvirt', *parts[:count]))
        try:
            found = importlib.import_module(path)
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            found = getattr(found, attribute, None)
        return callable(found)
    return False


class FedTest(unittest.TestCase):
    """One test for each target, made below."""

    def setUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def feed(self, target):
        for seed in target.seeds()[:10]:
            target.feed(seed)

        @hypothesis.settings(
            max_examples=_EXAMPLES // target.share,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(mutation.inputs(target))
        def feed(data):
            target.feed(data)

        feed()

    def feed_bombs(self, target):
        for data in bombs.of(target):
            start = time.process_time()
            target.feed(data)
            took = time.process_time() - start
            self.assertLess(took, _SECONDS, data[:60])

    def test_memory_is_bounded(self):
        for target in targets.ALL:
            for seed in sorted(target.seeds())[:2]:
                data = bombs.repeated(seed, target.longest)
                tracemalloc.start()
                try:
                    target.feed(data)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                with self.subTest(target.name):
                    self.assertLess(peak, _MEMORY)


def _make(target):
    name = target.name.replace('-', '_')

    def test_nonsense(self):
        self.feed(target)

    def test_bombs(self):
        self.feed_bombs(target)

    setattr(FedTest, f'test_nonsense_for_{name}', test_nonsense)
    setattr(FedTest, f'test_long_inputs_for_{name}', test_bombs)


for _target in targets.ALL:
    _make(_target)
