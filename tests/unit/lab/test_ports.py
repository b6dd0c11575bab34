"""Who has a port is told by name, and a free one is nobody's."""

import os
import socket
import unittest

from lab import ports


class PortsTest(unittest.TestCase):
    def setUp(self):
        self.socket = socket.socket()
        self.addCleanup(self.socket.close)
        self.port = ports.free()

    def test_a_free_port_can_be_had(self):
        self.socket.bind((ports.ADDRESS, self.port))

    def test_who_listens_is_named_with_its_folder(self):
        self.socket.bind((ports.ADDRESS, self.port))
        self.socket.listen()
        holder = ports.holder(self.port)
        self.assertIn(f'process {os.getpid()}, ', holder)
        self.assertTrue(holder.endswith(f' in {os.getcwd()}'), holder)

    def test_nobody_is_not_named(self):
        self.assertNotIn(str(os.getpid()), ports.holder(self.port))
