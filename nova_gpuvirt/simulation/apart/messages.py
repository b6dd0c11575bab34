"""Nova's messages, for a nova-compute in another process.

They are those of the control plane's own bus, the one in memory of
oslo.messaging. A message that was taken is lost with its process, as it is
with RabbitMQ: oslo.messaging acknowledges before it acts. One that was not
taken waits for the next nova-compute.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from typing import Any

import oslo_messaging
from nova import rpc
from oslo_messaging._drivers import base
from oslo_messaging._drivers import common
from oslo_serialization import jsonutils

from nova_gpuvirt.simulation.apart import wire

NAME = 'messages'

# How long a look for a message waits, in seconds.
_PAUSE = 0.5
# What only Nova's harness lets a context carry: its `CheatingSerializer`.
_CHEATS = frozenset({'db_connection', 'mq_connection', 'cell_uuid'})
# The objects' methods that read.
_READS = re.compile(r'(_?get|list|refresh|obj_load_attr|count|exists|is)_?')
_BY_OBJECT = {
    'object_action': lambda args: (
        args['objinst']['nova_object.name'],
        args['objmethod'],
    ),
    'object_class_action_versions': lambda args: (
        args['objname'],
        args['objmethod'],
    ),
}


class Messages:
    """The control plane's side.

    :param is_dead: tells whether the process was killed that listens
    """

    def __init__(self, is_dead: Callable[[], bool]) -> None:
        self._is_dead = is_dead
        self._numbers = itertools.count()
        self._listeners: dict[int, Any] = {}
        self._taken: dict[int, Any] = {}

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name a message that changes something."""
        if name == 'send':
            return _name_of(args[2])
        if name == 'reply':
            taken = self._taken[args[0]]
            # Nobody waits for an answer to a cast.
            is_call = taken._reply_q is not None
            return f'answer {taken.message["method"]}' if is_call else None
        return None

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> Any:
        """Send, listen, poll, or reply."""
        return getattr(self, name)(*args, **kw)

    def send(
        self,
        target: Any,
        context: Any,
        message: Any,
        is_call: bool,
        timeout: float | None,
    ) -> tuple[Any, str | None]:
        """Send a message, and return the answer to a call, or its failure."""
        try:
            answer = rpc.TRANSPORT._driver.send(
                target,
                context,
                message,
                wait_for_reply=is_call,
                timeout=timeout,
            )
        except oslo_messaging.MessagingTimeout:
            raise
        except Exception:
            return None, common.serialize_remote_exception(sys.exc_info())
        return answer, None

    def listen(self, target: Any) -> int:
        """Begin to listen, and return the listener's number."""
        number = next(self._numbers)
        adapter = rpc.TRANSPORT._driver.listen(target, 1, None)
        self._listeners[number] = adapter._poll_style_listener
        return number

    def poll(self, listener: int) -> tuple[int, Any, Any] | None:
        """Wait a little for a message."""
        found = self._listeners[listener].poll(timeout=_PAUSE)
        if not found:
            return None
        (message,) = found
        if self._is_dead():
            message.requeue()
            return None
        number = next(self._numbers)
        self._taken[number] = message
        context = {k: v for k, v in message.ctxt.items() if k not in _CHEATS}
        return number, *map(_written, (context, message.message))

    def reply(self, number: int, answer: Any, failure: str | None) -> None:
        """Answer a message."""
        message = self._taken.pop(number)
        error = failure and common.deserialize_remote_exception(
            failure, rpc.get_allowed_exmods()
        )
        message.reply(answer, error and (type(error), error, None))


def _written(value: Any) -> Any:
    """Write and read what is sent, as a bus does that is not in memory."""
    return jsonutils.loads(jsonutils.dumps(value))


def _name_of(message: Any) -> str | None:
    method = message['method']
    of_object = _BY_OBJECT.get(method)
    if of_object is None:
        return f'message {method}'
    name, method = of_object(message['args'])
    return None if _READS.match(method) else f'database {name}.{method}'


class RemoteDriver(base.BaseDriver):
    """The bus, as a driver of oslo.messaging."""

    def __init__(self, client: wire.Client, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._client = client

    def require_features(self, requeue: bool = False) -> None:
        """Have all."""

    def send(
        self,
        target: Any,
        ctxt: Any,
        message: Any,
        wait_for_reply: bool | None = None,
        timeout: float | None = None,
        **kw: Any,
    ) -> Any:
        """Send a message, and return the answer to a call."""
        answer, failure = self._client.call(
            NAME,
            'send',
            target,
            *map(_written, (ctxt, message)),
            bool(wait_for_reply),
            timeout,
        )
        if failure is not None:
            raise common.deserialize_remote_exception(
                failure, rpc.get_allowed_exmods()
            )
        return answer

    def send_notification(self, *args: Any, **kw: Any) -> None:
        """Send none: nobody listens."""

    def listen(
        self, target: Any, batch_size: int, batch_timeout: float | None
    ) -> Any:
        """Listen for messages to a target."""
        number = self._client.call(NAME, 'listen', target)
        return base.PollStyleListenerAdapter(
            _Listener(self._client, number), batch_size, batch_timeout
        )

    def listen_for_notifications(self, *args: Any, **kw: Any) -> Any:
        """Refuse: nova-compute listens for none."""
        raise NotImplementedError

    def cleanup(self) -> None:
        """Have nothing to clean up."""


class _Listener(base.PollStyleListener):
    def __init__(self, client: wire.Client, number: int) -> None:
        super().__init__()
        self._client = client
        self._number = number
        self._is_stopped = False

    @base.batch_poll_helper  # type: ignore[untyped-decorator]
    def poll(self, timeout: float | None = None) -> Any:
        while not self._is_stopped:
            found = self._client.call(NAME, 'poll', self._number)
            if found is not None:
                return _Incoming(self._client, *found)
            if timeout is not None:
                return None
        return None

    def stop(self) -> None:
        self._is_stopped = True


class _Incoming(base.RpcIncomingMessage):
    def __init__(
        self, client: wire.Client, number: int, context: Any, message: Any
    ) -> None:
        super().__init__(context, message)
        self._client = client
        self._number = number

    def reply(self, reply: Any = None, failure: Any = None) -> None:
        self._client.call(
            NAME,
            'reply',
            self._number,
            reply,
            failure and common.serialize_remote_exception(failure),
        )

    def requeue(self) -> None:
        raise NotImplementedError

    def heartbeat(self) -> None:
        pass
