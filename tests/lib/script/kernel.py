# SPDX-License-Identifier: GPL-2.0
"""A program on the real server, as scripts let it act.

    kernel listens [defer SECONDS] [fastopen QUEUE]
    kernel accepts          there must be a new connection
    kernel gets N           the next N bytes, which must be those that the client has sent
    kernel sends N
    kernel closes           the connection; `resets`: with a RST; `ends`: the listener, too
    kernel remembers STATE  how the kernel has the connection, as ss(8) writes states
"""

import socket
import struct

from lib.waiting import wait_until

from .connection import pattern

_STATES = {"ESTAB": 1, "SYN-RECV": 3, "FIN-WAIT-1": 4, "FIN-WAIT-2": 5, "TIME-WAIT": 6, "CLOSE-WAIT": 8, "LAST-ACK": 9,
           "CLOSING": 11, "nothing": 0}
_PATIENCE = 5


class KernelServer:
    """A listener and its last connection."""

    def __init__(self, namespace, address, port):
        self.namespace, self.address, self.port = namespace, address, port
        self.listener, self.socket = None, None
        self.got = self.sent = 1

    def do(self, connection, what, *words):
        """Act."""
        getattr(self, what)(connection, *words)

    def listens(self, _connection, *words):
        """Listen."""
        said = dict(zip(words[::2], words[1::2], strict=True))
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self.namespace.entered():
            self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if "defer" in said:
            self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(said["defer"]))
        if "fastopen" in said:
            self.namespace.sysctl("net.ipv4.tcp_fastopen", 0x203)
            self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, int(said["fastopen"]))
        self.listener.bind((self.address, self.port))
        self.listener.listen(8)
        self.listener.settimeout(_PATIENCE)

    def accepts(self, connection):
        """Take a connection."""
        self.close_now()
        self.socket, peer = self.listener.accept()
        self.socket.settimeout(_PATIENCE)
        self.got = self.sent = 1
        assert connection.lport in (None, peer[1]), f"the program sees port {peer[1]}"
        assert peer[0] == connection.local, f"the program sees {peer[0]}"
        connection.lport = peer[1]

    def gets(self, _connection, count):
        """Read."""
        data = b""
        while len(data) < int(count):
            more = self.socket.recv(int(count) - len(data))
            assert more, f"the connection ended behind {len(data)} bytes"
            data += more
        assert data == pattern("client", self.got, int(count)), f"other bytes: {data.hex()}"
        self.got += int(count)

    def sends(self, _connection, count):
        """Write."""
        self.socket.sendall(pattern("server", self.sent, int(count)))
        self.sent += int(count)

    def closes(self, _connection):
        """Close the connection."""
        self.socket.close()
        self.socket = None

    def resets(self, _connection):
        """Close it with a RST."""
        self.close_now()

    def ends(self, _connection):
        """End the program."""
        self.close()

    def remembers(self, connection, name):
        """Look the connection up in the kernel's list."""
        path = "/proc/net/tcp6" if ":" in self.address else "/proc/net/tcp"
        own, peer = f":{self.port:04X}", f":{connection.lport:04X}"

        def state():
            rows = (line.split() for line in self.namespace.read(path).splitlines()[1:])
            found = [int(row[3], 16) for row in rows if row[1].endswith(own) and row[2].endswith(peer)]
            return found or [0]

        wait_until(lambda: state() == [_STATES[name]], f"the kernel to have it in {name}", _PATIENCE)

    def close_now(self):
        """End the connection without waiting for anything that was sent."""
        if self.socket:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
            self.socket = None

    def close(self):
        """End all."""
        self.close_now()
        if self.listener:
            self.listener.close()
            self.listener = None
