# SPDX-License-Identifier: GPL-2.0
"""IPv6 beside IPv4 on the usual topology, and packets of either family as a real server sees them."""

import dataclasses
import ipaddress
import select
import socket
import struct
import time

from .namespace import Failed
from .packets import Tcp
from .packets import Udp
from .packets import ones_sum

CLIENT6 = "2001:db8:1::1"
DIRECTOR6 = "2001:db8:1::fe"
VIP6 = "2001:db8:96::204"
LOCAL6 = "2001:db8:229::204"
LAN6 = "2001:db8:229::fb"
SERVER6 = "2001:db8:229::1"
_ETH_P_ALL = 3
_OUTGOING = 4


def add_ipv6(topology):
    """Give client, director and the first real server IPv6 addresses and routes; start the answering server on one."""
    for namespace, interface in topology.ends():
        for name in ("all", "default", interface):
            namespace.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 0)
    server = topology.servers[0]
    topology.client.ip(f"addr add {CLIENT6}/64 dev eth0 nodad", f"route add default via {DIRECTOR6} dev eth0")
    topology.director.ip(
        f"addr add {DIRECTOR6}/64 dev wan nodad", f"addr add {VIP6}/128 dev lo nodad",
        f"addr add {LOCAL6}/128 dev lo nodad", f"addr add {LAN6}/128 dev lan1 nodad",
        f"route add {SERVER6}/128 dev lan1",
    )
    # Nobody answers for an address of lo on another link: IPv6 neighbours are asked per interface.
    server.ip(f"addr add {SERVER6}/64 dev eth0 nodad", f"route add {LOCAL6}/128 via {LAN6} dev eth0")
    assert server.start("traffic", "serve", f"[{SERVER6}]:80").read_line() == "ready"


@dataclasses.dataclass
class Packet:
    """A packet of either family: the header of its transport protocol is at `payload`."""

    family: int
    source: str
    destination: str
    protocol: int
    options: bytes
    payload: bytes
    hops: int
    length: int

    @classmethod
    def parse(cls, data):
        """Take a packet apart; IPv6 extension headers are not followed."""
        if data[0] >> 4 == 6:
            payload, protocol, hops = struct.unpack_from("!HBB", data, 4)
            source, destination = (str(ipaddress.ip_address(data[at:at + 16])) for at in (8, 24))
            return cls(6, source, destination, protocol, b"", data[40:40 + payload], hops, 40 + payload)
        head, length = (data[0] & 15) * 4, int.from_bytes(data[2:4])
        assert ones_sum(data[:head]) == 0xFFFF, "the IPv4 header's checksum"
        source, destination = (str(ipaddress.ip_address(data[at:at + 4])) for at in (12, 16))
        return cls(4, source, destination, data[9], data[20:head], data[head:length], data[8], length)

    @property
    def tcp(self):
        """The TCP segment inside."""
        return Tcp.parse(self.payload)

    @property
    def udp(self):
        """The UDP datagram inside."""
        return Udp.parse(self.payload)

    def sums_up(self, protocol, payload):
        """Whether a checksum is right for these addresses."""
        addresses = b"".join(ipaddress.ip_address(a).packed for a in (self.source, self.destination))
        return ones_sum(addresses + struct.pack("!IHBB", len(payload), 0, 0, protocol) + payload) == 0xFFFF


class Tap:
    """Packets of both families that come in at an interface."""

    def __init__(self, namespace, interface="eth0"):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((interface, _ETH_P_ALL))
        self.socket.setblocking(False)

    def read(self):
        """Yield what has come so far."""
        while True:
            try:
                frame, (_, kind, direction, *_) = self.socket.recvfrom(1 << 17)
            except BlockingIOError:
                return
            if direction != _OUTGOING and kind in (0x0800, 0x86DD):
                yield Packet.parse(frame[14:])

    def receive(self, wanted, what, timeout=3.0):
        """The next packet for which wanted(packet) is true."""
        end = time.monotonic() + timeout
        passed = []
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            for packet in self.read():
                if wanted(packet):
                    return packet
                passed.append(packet)
        raise Failed(f"no {what} within {timeout:.0f} s; passed over: {passed}")

    def close(self):
        """Stop."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
