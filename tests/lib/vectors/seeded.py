# SPDX-License-Identifier: GPL-2.0
"""Packets of established flows made from seeds: right ones, odd ones, and such that contradict themselves.

A frame is what follows the Ethernet addresses. Where a sender would leave checksums or segmentation to its network
card, a frame says so in the header of virtio, as a packet socket takes it.
"""

import dataclasses
import random
import socket
import struct

from lib.packets import ones_sum

from .network import CLIENT_ISN
from .network import FAR
from .network import NEAR
from .network import SERVER_ISN
from .network import TCP
from .network import UDP
from .shapes import place_of

IPV4, IPV6, VLAN = 0x0800, 0x86DD, 0x8100
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
_HEADER = {4: 20, 6: 40}
_CHECKSUM_AT = {TCP: 16, UDP: 6}
_PARTIAL = 1                      # VIRTIO_NET_HDR_F_NEEDS_CSUM
_GSO_TCP, _GSO_TCP6, _GSO_UDP = 1, 4, 5
_PAD4, _PAD6 = b"\x01" * 4, b"\x01\x04" + bytes(4)
# Address of nobody, in every option that introduces a client.
_FORGED = bytes.fromhex("fe080d05cb007142")
_OPTIONS = (
    b"\x01\x01\x05\x0a" + bytes(8), b"\x01\x01\x08\x0a" + bytes(range(8)), _FORGED, b"\x01\x03\x03\x07",
    b"\x02\x04\x05\xb4", b"\xfe\x00\x01\x01", b"\x05\x28\x01\x01", b"\x00" * 8, b"\x01" * 40,
)


@dataclasses.dataclass
class Frame:
    """Bytes behind the Ethernet addresses, and what is left to the card: the header of virtio."""

    data: bytes
    virtio: bytes = bytes(10)


@dataclasses.dataclass
class Draft:
    """A packet in the making: what is not said is what a plain packet has."""

    family: int
    protocol: int
    source: str
    destination: str
    sport: int
    dport: int
    request: bool
    data: bytes
    tos: int = 0
    hops: int = 64
    identification: int = 0x1234
    fragment: int = 0x4000
    network_options: bytes = b""
    next_header: int | None = None
    flags: int = PSH | ACK
    options: bytes = b""
    move: int = 0                 # Of the sequence number.
    sum_off: int = 0              # Of the transport checksum.
    sum_none: bool = False
    partial: bool = False
    gso: int = 0
    changes: dict = dataclasses.field(default_factory=dict)  # (offset, size): value, when all is done.
    cut: int | None = None
    trailer: bytes = b""
    changes_family: bool = False

    def transport(self):
        """Header and data, with a checksum that is right, wrong, left out or left to the card."""
        if self.protocol == TCP:
            mine, theirs = (CLIENT_ISN, SERVER_ISN) if self.request else (SERVER_ISN, CLIENT_ISN)
            ack = theirs + 2 if self.request else theirs + 1
            words = 5 + len(self.options) // 4
            head = struct.pack(
                "!HHIIBBHHH", self.sport, self.dport, mine + 1 + self.move & 0xFFFFFFFF,
                ack if self.flags & ACK else 0, words << 4, self.flags, 64240, 0, 0,
            ) + self.options
        else:
            head = struct.pack("!HHHH", self.sport, self.dport, 8 + len(self.data), 0)
        whole = head + self.data
        value = self.sum(whole)
        at = _CHECKSUM_AT[self.protocol]
        return whole[:at] + struct.pack("!H", value) + whole[at + 2:]

    def sum(self, whole):
        """The transport checksum."""
        if self.sum_none:
            return 0
        pseudo = self.addresses() + struct.pack("!IHBB", len(whole), 0, 0, self.protocol)
        if self.partial or self.gso:
            return ones_sum(pseudo)
        value = ~ones_sum(pseudo + whole) & 0xFFFF
        value += self.sum_off
        value = (value & 0xFFFF) + (value >> 16)
        return value or (0xFFFF if self.protocol == UDP else 0)

    def addresses(self):
        """Source and destination in network order."""
        kind = socket.AF_INET if self.family == 4 else socket.AF_INET6
        return socket.inet_pton(kind, self.source) + socket.inet_pton(kind, self.destination)

    def network(self, payload, fragment=None):
        """The network header in front of a payload."""
        options = self.network_options
        number = self.protocol if self.next_header is None else self.next_header
        length = len(options) + len(payload)
        if self.family == 6:
            first = 6 << 28 | self.tos << 20
            return struct.pack("!IHBB", first, length, number, self.hops) + self.addresses() + options + payload
        head = struct.pack(
            "!BBHHHBBH", 0x45 + len(options) // 4, self.tos, 20 + length, self.identification,
            self.fragment if fragment is None else fragment, self.hops, number, 0,
        ) + self.addresses() + options
        return head[:10] + struct.pack("!H", ~ones_sum(head) & 0xFFFF) + head[12:] + payload

    def frames(self, tag):
        """What is sent."""
        yield self.frame(self.network(self.transport()), tag)

    def frame(self, packet, tag):
        """A packet behind its kind of frame, with the lies that are told last."""
        packet = bytearray(packet)
        for (at, size), value in self.changes.items():
            if at + size <= len(packet):
                packet[at:at + size] = value.to_bytes(size)
        packet = bytes(packet[:self.cut]) + self.trailer
        kind = struct.pack("!H", IPV4 if self.family == 4 else IPV6)
        head = struct.pack("!HH", VLAN, tag) + kind if tag else kind
        return Frame(head + packet, self.virtio(len(head)))

    def virtio(self, kind):
        """What is left to the card."""
        if not (self.partial or self.gso):
            return bytes(10)
        start = 12 + kind + _HEADER[self.family] + len(self.network_options)
        sort = 0
        if self.gso:
            sort = _GSO_UDP if self.protocol == UDP else _GSO_TCP if self.family == 4 else _GSO_TCP6
        head = start + (20 + len(self.options) if self.protocol == TCP else 8)
        return struct.pack("=BBHHHH", _PARTIAL, sort, head, self.gso, start, _CHECKSUM_AT[self.protocol])


class Fragments(Draft):
    """A packet in two pieces."""

    def frames(self, tag):
        """Both of them, or what a test of reassembly gets to see."""
        whole = self.transport()
        at = 8 + len(whole) // 16 * 8
        if self.family == 4:
            yield self.frame(self.network(whole[:at], fragment=0x2000), tag)
            yield self.frame(self.network(whole[at:], fragment=at // 8), tag)
            return
        for piece, fields in ((whole[:at], 1), (whole[at:], at)):
            self.network_options = struct.pack("!BBHI", self.protocol, 0, fields, 0x10000 | self.identification)
            self.next_header = 44
            yield self.frame(self.network(piece), tag)


def _size(chance):
    return chance.choice((0, 1, 2, 3, 7, 64, 255, 512, 1001, chance.randrange(1300)))


def plain(draft, chance):
    """Nothing is odd."""


def checksum(draft, chance):
    """A transport checksum that is wrong."""
    draft.sum_off = chance.randrange(1, 0xFFFF)


def bare(draft, chance):
    """No transport checksum at all."""
    draft.sum_none = True


def partial(draft, chance):
    """A checksum that is left to the card."""
    draft.partial = True


def super_packet(draft, chance):
    """Segments, or datagrams, that are left to the card to make."""
    draft.gso, rest = chance.choice((500, 1000, 1200)), chance.randrange(400)
    if draft.changes_family:
        # To be fragmented or not is a question of size, be it that of all of them or of each.
        draft.gso, rest = 1300, 0
    draft.data = chance.randbytes(draft.gso * chance.randrange(2, 6) - rest)
    draft.flags = ACK | chance.choice((0, PSH))


def hops(draft, chance):
    """A time to live that ends here, or nearly."""
    draft.hops = chance.choice((0, 1, 1, 2, 255))


def service_class(draft, chance):
    """A class of service, or marks of congestion."""
    draft.tos = chance.randrange(1, 256)


def network_options(draft, chance):
    """Options of IPv4, or extension headers of IPv6."""
    if draft.family == 4:
        draft.network_options = chance.choice((_PAD4, bytes(4), b"\x94\x04\0\0", b"\x07\x07\x04" + bytes(5)))
        return
    kind = chance.choice((0, 60, 43))
    body = _PAD6 if kind != 43 else b"\x04\0" + bytes(4)
    draft.network_options = bytes((draft.protocol, 0)) + body
    draft.next_header = kind


def protocol(draft, chance):
    """Another protocol than the flow's."""
    draft.next_header = chance.choice((1, 58, 50, 132, 136, 59))


def flags(draft, chance):
    """Flags as they come."""
    usual = FIN | ACK, RST | ACK, RST, SYN, SYN | ACK, ACK
    draft.flags = chance.choice((*usual, PSH | ACK | URG, FIN, 0, FIN | PSH | URG))


def transport_options(draft, chance):
    """Options of TCP: usual, forged and broken ones."""
    draft.options = chance.choice(_OPTIONS)


def sequence(draft, chance):
    """A number far from where the connection is."""
    draft.move = chance.randrange(-1 << 31, 1 << 31)


def oversize(draft, chance):
    """Larger than the way out, and maybe not to be fragmented."""
    draft.data = chance.randbytes(chance.choice((1433, 1460, 1461, 1473, 1480, 2000, 2800)))
    draft.fragment = chance.choice((0, 0x4000))


def runt(draft, chance):
    """The end is missing."""
    whole = _HEADER[draft.family] + (20 if draft.protocol == TCP else 8) + len(draft.data)
    draft.cut = chance.randrange(chance.choice((8, 28, 48, 60, whole)) + 1)


def trailer(draft, chance):
    """More than the packet says it has."""
    draft.trailer = bytes(chance.choice((1, 2, 6, 18, 40, 100)))


def lie(draft, chance):
    """One field of a header says what is not so."""
    head = _HEADER[draft.family]
    length = (2, 2) if draft.family == 4 else (4, 2)
    where = chance.choice([length, (0, 1), (head, 2), (head + (12 if draft.protocol == TCP else 4), 2)] + (
        [(10, 2), (9, 1), (6, 2)] if draft.family == 4 else [(6, 1)]))
    draft.changes[where] = chance.randrange(1 << 8 * where[1])


def flip(draft, chance):
    """A few bits of the headers have fallen over."""
    whole = draft.network(draft.transport())
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(min(len(whole), 60))
        draft.changes[at, 1] = whole[at] ^ 1 << chance.randrange(8)


def fragments(draft, chance):
    """In two pieces."""
    draft.__class__ = Fragments
    draft.data = chance.randbytes(chance.randrange(64, 1200))
    draft.identification = chance.randrange(1, 1 << 16)
    draft.fragment = 0


# Each with the share of packets that it has.
SORTS = {
    plain: 8, checksum: 4, bare: 3, partial: 6, super_packet: 5, hops: 4, service_class: 3, network_options: 5,
    protocol: 3, flags: 8, transport_options: 6, sequence: 3, oversize: 5, runt: 7, trailer: 4, lie: 10, flip: 10,
    fragments: 5,
}
TAGS = {NEAR: 5, FAR: 6}
_TCP_ONLY = {flags, transport_options, sequence}


@dataclasses.dataclass
class Vector:
    """A packet to be, of a flow that is not open yet."""

    number: int
    kind: object
    way: str
    tagged: dict
    sort: object
    chance: int

    def frames(self, flow):
        """What is sent, once the flow is open."""
        place = place_of(self.way, sent=True)
        source, sport, destination, dport = flow.ends(place, self.way)
        chance = random.Random(self.chance)
        draft = Draft(
            flow.family(place), self.kind.protocol, source, destination, sport, dport, self.way == "request",
            chance.randbytes(_size(chance)), fragment=chance.choice((0, 0x4000)),
            changes_family=self.kind.near != self.kind.far,
        )
        self.sort(draft, chance)
        return list(draft.frames(TAGS[place] * self.tagged[place]))

    def __str__(self):
        return f"{self.number}: {self.kind.name} {self.way}, {self.sort.__name__}, tags {self.tagged}"


def vectors(count, kinds, seed=0):
    """So many vectors of flows of these kinds: the same each time."""
    chance = random.Random(seed)
    for number in range(count):
        sort = chance.choices(list(SORTS), SORTS.values())[0]
        kind = chance.choice([kind for kind in kinds if kind.protocol == TCP or sort not in _TCP_ONLY])
        way = chance.choice(("request", "reply"))
        tagged = {FAR: kind.name.endswith("-tagged")}
        tagged[NEAR] = tagged[FAR] == (chance.random() < 0.8)
        yield Vector(number, kind, way, tagged, sort, chance.randrange(1 << 32))
