# SPDX-License-Identifier: GPL-2.0
"""A host beside the first real server that writes its own segments, and sockets there that the test holds itself."""

import contextlib
import socket

from .packets import ACK
from .packets import PSH
from .packets import RST
from .packets import SYN
from .packets import IPv4
from .packets import Tcp
from .topology import SERVERS
from .wire import Tap

NEIGHBOUR = "192.168.229.50"


def health(namespace):
    """Rows of the namespace's /proc/net/toa_health."""
    rows = (line.partition(":") for line in namespace.read("/proc/net/toa_health").splitlines())
    return {name.strip(): int(value) for name, _, value in rows}


def statistics(namespace):
    """Rows of the namespace's /proc/net/toa_stats, summed over the processors."""
    heading, *rows = namespace.read("/proc/net/toa_stats").splitlines()
    assert heading.split()[0] == "CPU0"
    return {row.partition(":")[0].strip(): sum(map(int, row.partition(":")[2].split())) for row in rows}


class Neighbour:
    """The host. Its connections begin with sequence number 1000, if they are not told another one."""

    def __init__(self, topology, address=NEIGHBOUR):
        self.address = address
        self.server = topology.servers[0]
        self.tap = Tap(topology.director, "lan1")
        self.server.ip(f"neigh replace {address} lladdr {self.tap.mac.hex(':')} dev eth0 nud permanent")
        with self.server.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
            link.bind(("eth0", 0))
            self.mac = link.getsockname()[4]

    def send(self, port, flags, seq, ack=0, data=b"", options=b"", to=80):
        """Send a segment."""
        segment = Tcp(port, to, flags, seq, ack, data, options).build(self.address, SERVERS[0])
        self.tap.send(IPv4(self.address, SERVERS[0], socket.IPPROTO_TCP, segment), self.mac)

    def receive(self, port, wanted, what="segment"):
        """The next segment to a port for which wanted(segment) is true."""
        return self.tap.receive(
            lambda p: p.protocol == socket.IPPROTO_TCP and p.tcp.dport == port and wanted(p.tcp), what
        ).tcp

    def begin(self, port, options=b"", to=80, seq=1000, data=b""):
        """Send a SYN; the answer's sequence number and one."""
        self.send(port, SYN, seq, options=options, data=data, to=to)
        return self.receive(port, lambda tcp: tcp.flags & SYN, "SYN-ACK").seq + 1

    def connect(self, port, to=80, on_syn=b"", on_ack=b"", seq=1000):
        """Open a connection; returns what there is to acknowledge."""
        answer = self.begin(port, on_syn, to, seq)
        self.send(port, ACK, seq + 1, answer, options=on_ack, to=to)
        return answer

    def reset(self, port, to=80, seq=1001):
        """End a connection."""
        self.send(port, RST, seq, to=to)

    def ask(self, port, on_ack=b"", on_data=b"", on_syn=b"", bare_ack=True, seq=1000):
        """Open a connection with these options to the program on port 80; what its accept and getpeername said."""
        answer = self.begin(port, on_syn, seq=seq)
        if bare_ack:
            self.send(port, ACK, seq + 1, answer, options=on_ack)
        self.send(port, PSH | ACK, seq + 1, answer, b"who am I\n", on_data)
        said = self.receive(port, lambda tcp: tcp.data).data.decode().split()
        self.reset(port, seq=seq + 10)
        return said[0], said[1]

    def close(self):
        """Stop."""
        self.tap.close()


@contextlib.contextmanager
def listener(namespace, port=8080, family=socket.AF_INET, **options):
    """A listening socket in a namespace; options are those of level IPPROTO_TCP, by their names in lower case."""
    with namespace.entered():
        sock = socket.socket(family, socket.SOCK_STREAM)
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(10)
        sock.bind(("::" if family == socket.AF_INET6 else "", port))
        sock.listen(64)
        for name, value in options.items():
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name.upper()), value)
        yield sock


def accepted(listening):
    """Accept a connection: what accept() and getpeername() say, address and port."""
    connection, name = listening.accept()
    with connection:
        assert connection.getpeername() == name
        return name[:2]
