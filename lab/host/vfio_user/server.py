"""Serve a function to QEMU's vfio-user-pci, over a Unix socket."""

from __future__ import annotations

import array
import errno
import pathlib
import socket

from lab.host.vfio_user import function as function_
from lab.host.vfio_user import protocol
from lab.host.vfio_user.protocol import Command


class Server:
    """Answers one QEMU after the other."""

    def __init__(
        self, function: function_.Function, path: pathlib.Path
    ) -> None:
        self._function = function
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(1)

    def serve(self) -> None:
        """Answer for ever."""
        while True:
            connection, _ = self._socket.accept()
            with connection:
                self._converse(connection)

    def answer(self, header: protocol.Header, payload: bytes) -> bytes:
        """Do what a message asks for, and make the reply."""
        try:
            return protocol.reply(header, self._done(header.command, payload))
        except (KeyError, NotImplementedError):
            return protocol.reply(header, b'', errno.EINVAL)

    def _converse(self, connection: socket.socket) -> None:
        while head := _receive(connection, protocol.HEADER_SIZE):
            header = protocol.Header.parse(head)
            payload = _receive(connection, header.size - len(head))
            answer = self.answer(header, payload)
            if protocol.Flag.NO_REPLY not in header.flags:
                connection.sendall(answer)

    def _done(self, command: int, payload: bytes) -> bytes:
        if command == Command.VERSION:
            return protocol.version()
        if command == Command.DEVICE_GET_INFO:
            kind = protocol.DeviceFlag.RESET | protocol.DeviceFlag.PCI
            return protocol.device_info(kind, irqs=5)
        if command == Command.DEVICE_GET_REGION_INFO:
            index = protocol.region_asked_for(payload)
            return protocol.region_info(index, self._function.size(index))
        if command == Command.DEVICE_GET_IRQ_INFO:
            return protocol.irq_info(payload)
        if command == Command.REGION_READ:
            access = protocol.Access.parse(payload)
            return bytes(access) + self._function.read(access)
        if command == Command.REGION_WRITE:
            access, data = protocol.written(payload)
            self._function.write(access, data)
            return bytes(access)
        if command == Command.REGION_WRITE_MULTI:
            for access, data in protocol.written_many(payload):
                self._function.write(access, data)
            return protocol.wrote_many(payload)
        if command == Command.DEVICE_RESET:
            self._function.reset()
            return b''
        if command == Command.DMA_UNMAP:
            return payload[:24]
        if command in (Command.DMA_MAP, Command.DEVICE_SET_IRQS):
            return b''  # no DMA and no interrupts come from here
        raise NotImplementedError(command)


def _receive(connection: socket.socket, count: int) -> bytes:
    """Read so many bytes; none when QEMU is gone.

    The file descriptors of the VM's memory that come along are closed: no
    card here does DMA.
    """
    data = b''
    while len(data) < count:
        part, ancillary, _, _ = connection.recvmsg(
            count - len(data), socket.CMSG_SPACE(64)
        )
        for _, _, raw in ancillary:
            for descriptor in array.array('i', raw):
                socket.close(descriptor)
        if not part:
            return b''
        data += part
    return data
