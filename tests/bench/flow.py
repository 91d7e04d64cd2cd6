# SPDX-License-Identifier: GPL-2.0
"""One client's flow: its frames in both directions, and whether what becomes of them is right."""

import dataclasses
import ipaddress
import struct

from lib.ip import Packet
from lib.ip import summed
from lib.packets import FLAGS

from .network import CLIENT
from .network import SERVER
from .network import mac
from .setups import PORT
from .setups import TCP

DATA = b"eighteen bytes ..."
CLIENT_ISN, SERVER_ISN = 1000, 500000
TTL = 64
_ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
# Two numbers without a common divisor: a million different pairs when both count on with every packet, as pktgen does.
ADDRESSES, PORTS = 1001, 1000
_FIRST_ADDRESS, FIRST_PORT = "10.1.4.0", 1000


class Wrong(Exception):
    """A packet did not arrive as it should; no figure of this set-up means anything."""


def _segment(source, destination, protocol, ports, body):
    """A UDP datagram or TCP segment with its checksum; `body` is data, or (flags, seq, ack, data)."""
    if protocol == TCP:
        flags, seq, ack, data = body
        bits = sum(FLAGS[flag] for flag in flags)
        mss = b"\x02\x04\x05\xb4" if "S" in flags else b""
        message = struct.pack("!HHIIBBHHH", *ports, seq, ack, 80 + len(mss) * 4, bits, 64000, 0, 0) + mss + data
        return summed(source, destination, protocol, message, 16)
    message = struct.pack("!HHHH", *ports, 8 + len(body), 0) + body
    return summed(source, destination, protocol, message, 6)


def frame(link, source, destination, protocol, body):
    """An Ethernet frame on a link, the sender's interface first; ends are (address, port)."""
    (here, sport), (there, dport) = source, destination
    packet = Packet(here, there, protocol, _segment(here, there, protocol, (sport, dport), body), TTL).build()
    return mac(link[1]) + mac(link[0]) + _ETHERTYPE[packet[0] >> 4] + packet


@dataclasses.dataclass
class Flow:
    """A flow of a kind through a set-up. `seen` is what the server takes for the client."""

    setup: object = dataclasses.field(repr=False)
    kind: object
    client: tuple
    seen: tuple | None = None

    @classmethod
    def numbered(cls, setup, kind, number):
        """The flow of pktgen's packet of that number; the other kinds have one client with many ports."""
        if kind.near == 4:
            address = str(ipaddress.ip_address(_FIRST_ADDRESS) + number % ADDRESSES)
            return cls(setup, kind, (address, FIRST_PORT + number % PORTS))
        return cls(setup, kind, (CLIENT[kind.near], FIRST_PORT + number))

    @property
    def service(self):
        """Where the client sends to."""
        return self.setup.service(self.kind), PORT

    @property
    def server(self):
        """Who answers."""
        return SERVER[self.kind.far], PORT

    def request(self, flags="A", seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1 + len(DATA), data=DATA):
        """A frame from the client."""
        body = (flags, seq, ack, data) if self.kind.protocol == TCP else data
        return frame(("g0", "l0"), self.client, self.service, self.kind.protocol, body)

    def reply(self, flags="A", seq=SERVER_ISN + 1 + len(DATA), ack=CLIENT_ISN + 1, data=DATA):
        """A frame from the server; a request must have been seen."""
        body = (flags, seq, ack, data) if self.kind.protocol == TCP else data
        return frame(("s0", "l1"), self.server, self.seen, self.kind.protocol, body)

    def check_request(self, packet):
        """Fail unless a packet at the sink is what this flow's request must become."""
        source, destination, packet = self._check(packet)
        allowed = self.setup.sources.get(self.kind.far, [self.client[0]])
        if destination != self.server or source[0] not in allowed or self.seen not in (None, source):
            raise Wrong(f"{source} -> {destination} at the server, of {self}")
        if not self.setup.sources and source != self.client:
            raise Wrong(f"{source} at the server, not {self.client}")
        self.seen = source
        return packet

    def check_reply(self, packet):
        """Fail unless a packet at the generator is what this flow's reply must become."""
        source, destination, packet = self._check(packet)
        if (source, destination) != (self.service, self.client):
            raise Wrong(f"{source} -> {destination} at the client, of {self}")
        return packet

    def _check(self, data):
        packet = Packet.parse(data)
        if not packet.has_right_checksum():
            raise Wrong(f"checksum of {packet}")
        if packet.hops != TTL - self.setup.hops or packet.protocol != self.kind.protocol:
            raise Wrong(f"{packet.hops} hops left, protocol {packet.protocol}: {packet}")
        sport, dport = struct.unpack_from("!HH", packet.payload)
        return (packet.source, sport), (packet.destination, dport), packet
