# SPDX-License-Identifier: GPL-2.0
"""uoa.ko as programs and operators use it, and senders that need no director."""

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct

from .namespace import Failed
from .packets import IPv4
from .packets import Udp
from .topology import SERVERS
from .wire import Tap

OPP, UDP = 248, 17
GET_LOOKUP = 2048
NEIGHBOUR = "192.168.229.50"
# struct uoa_param_map, which is packed: what is asked, then what is answered.
_MAP = struct.Struct("=H16s16s2s2sH16s2s")
_LIBC = ctypes.CDLL(None, use_errno=True)


def option(address, port, kind=31):
    """An IP option with a client's address."""
    packed = ipaddress.ip_address(address).packed
    return struct.pack("!BBH", kind, 4 + len(packed), port) + packed


def header(options, version=1, protocol=UDP, length=None):
    """A header of protocol 248 with these options."""
    return struct.pack("!BBH", version << 4, protocol, 4 + len(options) if length is None else length) + options


def ask(sock, peer, local, length=_MAP.size, family=None):
    """What getsockopt() says of a flow: the client's address and port, or the name of the error."""
    (peer, sport), (local, dport) = peer[:2], local[:2]
    family = family or (socket.AF_INET6 if ":" in peer else socket.AF_INET)
    packed = [ipaddress.ip_address(address).packed.ljust(16, b"\0") for address in (peer, local)]
    ports = [struct.pack("!H", port) for port in (sport, dport)]
    buffer = ctypes.create_string_buffer(_MAP.pack(family, *packed, *ports, 0, b"", b""), _MAP.size)
    size = ctypes.c_uint(length)
    if _LIBC.getsockopt(sock.fileno(), socket.IPPROTO_IP, GET_LOOKUP, buffer, ctypes.byref(size)):
        return os.strerror(ctypes.get_errno())
    assert size.value == _MAP.size
    *_, family, address, port = _MAP.unpack(buffer.raw)
    address = address[:4] if family == socket.AF_INET else address
    return str(ipaddress.ip_address(address)), int.from_bytes(port)


@contextlib.contextmanager
def program(namespace, address, port=5300, reuse=False, timeout=5):
    """A UDP socket of a program in a namespace."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.settimeout(timeout)
        sock.bind((address, port))
        yield sock


def stats(namespace):
    """The row of the namespace's /proc/net/uoa_stats, by its columns."""
    heading, row = namespace.read("/proc/net/uoa_stats").splitlines()
    return dict(zip(heading.replace("|UOA", " ").split(), map(int, row.split()), strict=True))


def health(namespace):
    """Rows of the namespace's /proc/net/uoa_health."""
    rows = (line.partition(":") for line in namespace.read("/proc/net/uoa_health").splitlines())
    return {name.strip(): int(value) for name, _, value in rows}


def clients(namespace):
    """Rows of the namespace's /proc/net/uoa_clients, by the address on the wire: who it is, and who is told."""
    heading, *rows = namespace.read("/proc/net/uoa_clients").splitlines()
    assert heading.split() == ["Peer", "Local", "Client", "Idle"]
    return {row[0]: (row[2], row[1]) for row in map(str.split, rows)}


class Neighbour:
    """A host beside the first real server that writes its own datagrams."""

    def __init__(self, topology, address=NEIGHBOUR):
        self.address, self.server = address, topology.servers[0]
        self.tap = Tap(topology.director, "lan1")
        self.pretend(address)
        with self.server.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
            link.bind(("eth0", 0))
            self.mac = link.getsockname()[4]

    def pretend(self, address):
        """Be another host, too."""
        self.server.ip(f"neigh replace {address} lladdr {self.tap.mac.hex(':')} dev eth0 nud permanent")

    def send(self, data=b"", port=4000, to=5300, front=b"", options=b"", source=None, server=SERVERS[0], **fields):
        """Send a datagram, behind a header of protocol 248 or with IP options."""
        source = source or self.address
        datagram = Udp(port, to, data).build(source, server)
        self.tap.send(
            IPv4(source, server, OPP if front else UDP, front + datagram, options=options, **fields), self.mac
        )

    def receive(self, port=4000, to=None):
        """The next datagram from the server to a port of the neighbour."""
        to = to or self.address
        return self.tap.receive(
            lambda p: p.protocol == UDP and p.destination == to and p.udp.dport == port, f"datagram to port {port}"
        )

    def gets_nothing(self, port=4000):
        """Whether nothing comes to a port before the answer to an echo request sent now."""
        with contextlib.suppress(Failed):
            return not self.tap.receive(
                lambda p: p.protocol == UDP and p.udp.dport == port, "datagram that is not to come", timeout=0.3
            )
        return True

    def close(self):
        """Stop."""
        self.tap.close()
