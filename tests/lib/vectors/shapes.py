# SPDX-License-Identifier: GPL-2.0
"""Packets without the addresses and ports that depend on the flow; scapy makes them into bytes.

Field names are the same for both families: hops, tos, df, id, label; length, checksum and the like only to lie in them.
A packet that is expected has one hop less than one that is sent, and in the other family the header of RFC 7915.
"""

import dataclasses
import socket
import struct

from scapy.layers.inet import IP
from scapy.layers.inet import TCP
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6Unknown
from scapy.layers.inet6 import IPv6
from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.inet6 import IPv6ExtHdrHopByHop
from scapy.layers.inet6 import IPv6ExtHdrRouting
from scapy.layers.sctp import SCTP
from scapy.packet import Packet
from scapy.packet import Raw
from scapy.utils import checksum

from .network import CLIENT_ISN
from .network import FAR
from .network import NEAR
from .network import SERVER_ISN

HOPS = 64
ID = 0x1234
LABEL = 0x12345
ANY = "any"  # An IPv4 identification that may be anything.

_IP_FIELDS = {
    4: {
        "hops": "ttl",
        "tos": "tos",
        "id": "id",
        "length": "len",
        "ihl": "ihl",
        "version": "version",
        "header_checksum": "chksum",
        "protocol": "proto",
        "frag": "frag",
        "source": "src",
        "destination": "dst",
    },
    6: {
        "hops": "hlim",
        "tos": "tc",
        "label": "fl",
        "length": "plen",
        "version": "version",
        "protocol": "nh",
        "source": "src",
        "destination": "dst",
    },
}
_TCP_FIELDS = {
    "seq": "seq",
    "ack": "ack",
    "window": "window",
    "words": "dataofs",
    "checksum": "chksum",
    "urgent": "urgptr",
    "reserved": "reserved",
    "sport": "sport",
    "dport": "dport",
}
_UDP_FIELDS = {"udp_length": "len", "checksum": "chksum"}
_NEXT_HEADER = {IPv6ExtHdrHopByHop: 0, IPv6ExtHdrRouting: 43, IPv6ExtHdrFragment: 44, IPv6ExtHdrDestOpt: 60}
OTHER = {"request": "reply", "reply": "request"}


def _spoil(data, at, by):
    """Add to a checksum, in one's complement."""
    value = int.from_bytes(data[at:at + 2]) + by
    spoilt = struct.pack("!H", (value & 0xFFFF) + (value >> 16))
    return b"".join((data[:at], spoilt, data[at + 2:]))


def over(*layers):
    """`a / b / c` as scapy has it, without the copies that it makes for a lower layer and to build a packet."""
    for layer, payload in zip(layers, layers[1:]):
        layer.add_payload(payload)
    for layer in layers:
        layer.explicit = 1
    return layers[0]


class Balance:
    """Two bytes of data that bring the sum at a place to 0xffff, of which the checksum is zero."""

    def __init__(self, shape, place, way="request"):
        self.shape, self.place, self.way = shape, place, way

    def of(self, flow):
        """The checksum of the same packet with two zeros there."""
        where = Where(flow, self.place, self.way, expected=True)
        upper = self.shape.upper(where)
        source, _, destination, _ = flow.ends(self.place, self.way)
        packet = bytes(over((IP if where.family == 4 else IPv6)(src=source, dst=destination), upper))
        at = (20 if where.family == 4 else 40) + self.shape.checksum_at
        return packet[at:at + 2]


class Toa:
    """The place of the client's own address among options of TCP (TOA) or IP (UOA)."""

    def __init__(self, kind=254):
        self.kind = kind

    def of(self, flow):
        """Kind, length, port, address: the layout of DPVS."""
        address = client_bytes(flow)
        return struct.pack("!BBH", self.kind, 4 + len(address), flow.cport) + address


def client_bytes(flow):
    """The client's address in network order."""
    return socket.inet_pton(socket.AF_INET if flow.kind.near == 4 else socket.AF_INET6, flow.client)


TOA = Toa()
UOA = Toa(31)


def _join(parts, flow):
    """Bytes, or a list of bytes and of what depends on the flow."""
    if isinstance(parts, bytes):
        return parts
    return b"".join(part if isinstance(part, bytes) else part.of(flow) for part in parts)


@dataclasses.dataclass(frozen=True)
class Where:
    """A packet of a flow at a place."""

    flow: object
    place: str
    way: str
    expected: bool = False
    quoted: bool = False

    @property
    def family(self):
        """The family of the packet."""
        return self.flow.family(self.place)

    @property
    def is_translated(self):
        """Whether the packet has got its header from the director."""
        return self.expected and self.flow.kind.near != self.flow.kind.far


class Shape:
    """A packet; `fields` are those that differ from what is usual."""

    protocol = None
    checksum_at = None

    def __init__(self, **fields):
        self.fields = fields

    def but(self, **fields):
        """The same packet with other fields."""
        twin = object.__new__(type(self))
        twin.__dict__ = {**self.__dict__, "fields": {**self.fields, **fields}}
        return twin

    def bytes(self, where, seen=None):
        """The packet at a place; `seen` is what came instead, for the fields that may be anything."""
        source, _, destination, _ = where.flow.ends(where.place, where.way)
        upper = self.upper(where)
        data = bytes(over(*self._network(where, source, destination, upper, seen), upper))
        if "off_by" in self.fields:
            data = _spoil(data, len(data) - len(upper) + self.checksum_at, self.fields["off_by"])
        return data[: self.fields.get("cut")] + self.fields.get("trailer", b"")

    def upper(self, where):
        """What the network header carries, as a scapy packet."""
        raise NotImplementedError

    def number(self, where):
        """The protocol's number."""
        return self.protocol

    def _given(self, names):
        return {names[name]: value for name, value in self.fields.items() if name in names}

    def _network(self, where, source, destination, upper, seen):
        given = self._given(_IP_FIELDS[where.family])
        hops = HOPS - (where.expected and not where.quoted)
        if where.family == 6:
            label = 0 if where.is_translated else LABEL
            head = IPv6(
                **{"src": source, "dst": destination, "hlim": hops, "fl": label, "nh": self.number(where), **given}
            )
            layers = [head, *map(Packet.copy, self.fields.get("extensions", ()))]
            for layer, following in zip(layers, layers[1:]):
                layer.nh = _NEXT_HEADER[type(following)]
            layers[-1].nh = given.get("nh", self.number(where))
            return layers
        options = _join(self.fields.get("ip_options", b""), where.flow)
        unfragmented = not where.is_translated or 20 + len(upper) > 1260
        df = self.fields.get("df", unfragmented)
        identification = ID if not where.is_translated else 0 if df or where.quoted else ANY
        head = IP(
            **{
                "src": source,
                "dst": destination,
                "ttl": hops,
                "id": identification,
                "proto": self.number(where),
                "flags": ("DF" if df else "") + ("+MF" if self.fields.get("more") else ""),
                **given,
            }
            | ({"options": [Raw(options)]} if options else {})
        )
        if head.fields["id"] == ANY:
            head.id = int.from_bytes(seen[4:6]) if seen else 0
        return [head]


class Segment(Shape):
    """A TCP segment."""

    protocol = 6
    checksum_at = 16

    def __init__(self, flags, data=b"", options=b"", **fields):
        super().__init__(**fields)
        self.flags, self.data, self.options = flags, data, options

    def upper(self, where):
        """Header, options as they are, data."""
        _, sport, _, dport = where.flow.ends(where.place, where.way)
        options = _join(self.options, where.flow)
        first = "S" in self.flags
        mine, theirs = (CLIENT_ISN, SERVER_ISN) if where.way == "request" else (SERVER_ISN, CLIENT_ISN)
        usual = {
            "seq": mine + (not first),
            "ack": theirs + 1 if "A" in self.flags else 0,
            "window": 64240,
            "dataofs": 5 + (len(options) + 3) // 4,
        }
        header = TCP(**{"sport": sport, "dport": dport, "flags": self.flags, **usual, **self._given(_TCP_FIELDS)})
        data = _join(self.data, where.flow)
        return over(header, Raw(options + data)) if options or data else over(header)


class Datagram(Shape):
    """A UDP datagram."""

    protocol = 17
    checksum_at = 6

    def __init__(self, data=b"", **fields):
        super().__init__(**fields)
        self.data = data

    def upper(self, where):
        """Header and data."""
        _, sport, _, dport = where.flow.ends(where.place, where.way)
        header = UDP(sport=sport, dport=dport, **self._given(_UDP_FIELDS))
        return over(header, Raw(_join(self.data, where.flow))) if self.data else over(header)


class Introduced(Shape):
    """A datagram behind a header with the client's address, the private protocol of DPVS (OPP)."""

    protocol = 248

    def __init__(self, datagram, **fields):
        super().__init__(**{**datagram.fields, **fields})
        self.datagram = datagram

    def upper(self, where):
        """Version of the client's family, protocol 17, length, the address, and the datagram as it is without."""
        whole = self.datagram.bytes(where)
        datagram = whole[40 if where.family == 6 else (whole[0] & 15) * 4:]
        address = UOA.of(where.flow)
        version = 1 if where.flow.kind.near == 4 else 2
        return Raw(struct.pack("!BBH", version << 4, 17, 4 + len(address)) + address + datagram)


class Chunks(Shape):
    """An SCTP packet; `flipped` are the bits of its checksum that are wrong."""

    protocol = 132

    def __init__(self, chunks, tag=0x01020304, **fields):
        super().__init__(**fields)
        self.chunks, self.tag = chunks, tag

    def upper(self, where):
        """Header and chunks."""
        _, sport, _, dport = where.flow.ends(where.place, where.way)
        whole = over(SCTP(sport=sport, dport=dport, tag=self.tag), Raw(self.chunks))
        if "flipped" in self.fields:
            whole.chksum = SCTP(bytes(whole)).chksum ^ self.fields["flipped"]
        return whole


class Other(Shape):
    """Anything else; what depends on the flow may be among its parts."""

    def __init__(self, protocol, data, **fields):
        super().__init__(**fields)
        self.protocol, self.data = protocol, data

    def upper(self, where):
        """The bytes."""
        return Raw(_join(self.data, where.flow))


class Icmp(Shape):
    """An ICMP message of the family that is spoken where it is."""

    checksum_at = 2

    def __init__(self, kind, code=0, rest=b"\0\0\0\0", data=b"", **fields):
        super().__init__(**fields)
        self.kind, self.code, self.rest, self.data = kind, code, rest, data

    def number(self, where):
        """1 or 58."""
        return 1 if where.family == 4 else 58

    def body(self, where):
        """What follows the first eight bytes."""
        return self.data

    def upper(self, where):
        """Header and body."""
        rest = self.rest if isinstance(self.rest, bytes) else struct.pack("!I", self.rest)
        given = self._given({"checksum": "chksum" if where.family == 4 else "cksum"})
        if where.family == 6:
            return ICMPv6Unknown(type=self.kind, code=self.code, msgbody=rest + self.body(where), **given)
        message = struct.pack("!BBH", self.kind, self.code, 0) + rest + self.body(where)
        value = given.get("chksum", checksum(message))
        return Raw(message[:2] + struct.pack("!H", value) + message[4:])


class Error(Icmp):
    """An ICMP error that quotes a packet of the flow, of which it keeps so many bytes behind the network header."""

    def __init__(self, kind, code, quote, rest=b"\0\0\0\0", keep=8, pad=b"", **fields):
        super().__init__(kind, code, rest, **fields)
        self.quote, self.keep, self.pad = quote, keep, pad

    def body(self, where):
        """The quoted packet went the other way, and had not lost a hop when it was quoted."""
        inner = Where(where.flow, where.place, OTHER[where.way], where.expected, quoted=True)
        whole = self.quote.bytes(inner)
        head = (whole[0] & 15) * 4 if inner.family == 4 else 40 + sum(map(len, self.quote.fields.get("extensions", ())))
        return (whole if self.keep is None else whole[: head + self.keep]) + self.pad


class Part(Shape):
    """A fragment of a packet: bytes `start` to `end` of what it carries, the rest if there is no end."""

    def __init__(self, whole, start, end=None):
        super().__init__()
        self.whole, self.start, self.end = whole, start, end

    def bytes(self, where, seen=None):
        """The whole packet's header, with the place of the fragment; IPv6 has a header for that."""
        whole = self.whole.bytes(where, seen)
        more = self.end is not None
        if where.family == 4:
            head = IP(whole[: (whole[0] & 15) * 4])
            data = whole[len(head):]
            head.frag, head.flags, head.len, head.chksum = self.start // 8, "MF" if more else "", None, None
        else:
            head, data = IPv6(whole[:40]), whole[40:]
            number = int.from_bytes(seen[44:48]) if seen and where.expected else ID
            head = head / IPv6ExtHdrFragment(nh=head.nh, offset=self.start // 8, m=int(more), id=number)
            head.nh, head.plen = 44, None
        return bytes(head / Raw(data[self.start:self.end]))


def place_of(way, sent):
    """Where a packet of a direction is sent, or expected."""
    return NEAR if (way == "request") == sent else FAR


# INIT: initiate tag 1, window 65536, one stream each way, first TSN 7 (RFC 9260, section 3.3.2).
SCTP_INIT = bytes.fromhex("01000014 00000001 00010000 0001 0001 00000007")
