"""When the services of a cloud have nothing more to do.

Nova's API answers before the work is done, and a server's status is right
before the last of it: so what is under way is counted.
"""

import threading
import time

import fixtures
from oslo_messaging._drivers import impl_fake
from oslo_messaging.rpc import server as rpc_server
from oslo_utils import importutils

# What Nova 33, which runs in eventlet, does not have.
thread_pool_factory = importutils.try_import('nova.thread_pool_factory')
# How long it may take, in seconds, on a busy machine.
_PATIENCE = 90
# How long nothing is under way before that is believed: a thread that has
# ended its call may be about to begin another.
_STILL = 0.02
# How often one looks that nobody wakes, in seconds.
_LOOK_EVERY = 5
# Those of calls; notifications have their own.
_TOPICS = ('compute', 'compute-alt', 'conductor', 'scheduler')


class Rest(fixtures.Fixture):
    """Count the calls of the services, and their threads."""

    def _setUp(self):
        self._changed = threading.Condition()
        self._under_way = 0
        self._began = 0
        self._arrived = threading.Condition()
        self._deliveries = 0
        self._count_messages()
        self._count_threads()
        self._deliver_at_once()

    def wait(self, asleep=()):
        """Wait until nothing is under way.

        :param asleep: the hosts whose nova-compute does not run: what is
            sent to them waits
        :raises AssertionError: when it takes too long
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            with self._changed:
                while self._under_way > _waiting(asleep):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise AssertionError(
                            f'{self._under_way} calls do not end'
                        )
                    self._changed.wait(min(left, 1))
                began = self._began
            time.sleep(_STILL)
            with self._changed:
                still = began == self._began
                if still and self._under_way <= _waiting(asleep):
                    return

    def _begin(self, more=1):
        with self._changed:
            self._under_way += more
            self._began += more

    def _end(self):
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _count_messages(self):
        deliver = impl_fake.FakeExchange.deliver_message
        process = rpc_server.RPCServer._process_incoming
        rest = self

        def delivered(exchange, topic, *args, **kwargs):
            with exchange._queues_lock:
                before = _length(exchange, topic)
                deliver(exchange, topic, *args, **kwargs)
                if topic in _TOPICS:
                    rest._begin(_length(exchange, topic) - before)
            rest._wake()

        def processed(server, incoming):
            try:
                process(server, incoming)
            finally:
                rest._end()

        self._patch(impl_fake.FakeExchange, 'deliver_message', delivered)
        self._patch(rpc_server.RPCServer, '_process_incoming', processed)

    def _count_threads(self):
        spawn_on = thread_pool_factory.spawn_on
        rest = self

        def spawned(executor, func, *args, **kwargs):
            def counted(*a, **kw):
                try:
                    return func(*a, **kw)
                finally:
                    rest._end()

            rest._begin()
            try:
                return spawn_on(executor, counted, *args, **kwargs)
            except BaseException:
                rest._end()
                raise

        self._patch(thread_pool_factory, 'spawn_on', spawned)

    def _deliver_at_once(self):
        """Wake who listens for messages when there are some.

        By itself each of a cloud's dozen listeners looks 20 times a second,
        which takes a tenth of a life, and a message waits for that.
        """
        stop = impl_fake.FakeListener.stop
        rest = self
        seen = threading.local()

        class Time:
            time = staticmethod(time.time)

            @staticmethod
            def sleep(seconds):
                # What came since the last look is looked at first.
                before = getattr(seen, 'deliveries', -1)
                with rest._arrived:
                    rest._arrived.wait_for(
                        lambda: rest._deliveries != before, _LOOK_EVERY
                    )
                    seen.deliveries = rest._deliveries

        def stopped(listener):
            stop(listener)
            rest._wake()

        self._patch(impl_fake, 'time', Time)
        self._patch(impl_fake.FakeListener, 'stop', stopped)

    def _wake(self):
        with self._arrived:
            self._deliveries += 1
            self._arrived.notify_all()

    def _patch(self, owner, name, new):
        self.useFixture(fixtures.MockPatchObject(owner, name, new))


def _queues():
    for exchange in list(impl_fake.FakeExchangeManager._exchanges.values()):
        for (topic, server), queue in list(exchange._server_queues.items()):
            yield topic, server, queue


def _length(exchange, topic):
    return sum(
        len(queue)
        for queues in (exchange._topic_queues, exchange._server_queues)
        for (known, _), queue in queues.items()
        if known == topic
    )


def _waiting(asleep):
    """Count the messages that nobody listens to."""
    return sum(
        len(queue) for _, server, queue in _queues() if server in asleep
    )
