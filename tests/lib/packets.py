# SPDX-License-Identifier: GPL-2.0
"""IPv4, TCP, UDP and ICMP on the wire: built byte by byte, right or wrong on purpose, and taken apart again.

Every field that a header computes can be given instead (length, header length, checksum), so that a test can lie in
any of them. TCP options are raw bytes: what stands where is what these tests are about.
"""

import dataclasses
import socket
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK}

NOP = b"\x01"
END = b"\x00"
SACK_PERMITTED = b"\x04\x02"
TOA_KIND = 254


def mss(size):
    """The maximum segment size option."""
    return struct.pack("!BBH", 2, 4, size)


def window_scale(shift):
    """The window scale option."""
    return bytes((3, 3, shift))


def timestamp(value, echo=0):
    """The timestamp option."""
    return struct.pack("!BBII", 8, 10, value, echo)


def toa(address, port, kind=TOA_KIND):
    """The option that carries a client's IPv4 address, as DPVS emits it."""
    return struct.pack("!BBH", kind, 8, port) + socket.inet_aton(address)


# What Linux puts into a SYN, and into every segment behind it.
LINUX_SYN = mss(1460) + SACK_PERMITTED + timestamp(1000) + NOP + window_scale(7)


def ones_sum(data):
    """The 16-bit one's complement sum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data):
    """The checksum over data whose own field is zero."""
    return ~ones_sum(data) & 0xFFFF


def pseudo_header(source, destination, protocol, length):
    """What TCP and UDP sum besides themselves."""
    return socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, protocol, length)


@dataclasses.dataclass
class IPv4:
    """An IPv4 header and what it carries."""

    source: str
    destination: str
    protocol: int
    payload: bytes
    ttl: int = 64
    tos: int = 0
    identification: int = 0
    dont_fragment: bool = True
    more_fragments: bool = False
    offset: int = 0
    options: bytes = b""
    total_length: int | None = None
    header_words: int | None = None
    checksum: int | None = None
    version: int = 4

    def build(self):
        """The bytes of the packet."""
        words = 5 + len(self.options) // 4 if self.header_words is None else self.header_words
        length = 20 + len(self.options) + len(self.payload) if self.total_length is None else self.total_length
        fragment = self.dont_fragment << 14 | self.more_fragments << 13 | self.offset // 8
        head = struct.pack(
            "!BBHHHBBH4s4s", self.version << 4 | words, self.tos, length, self.identification, fragment, self.ttl,
            self.protocol, 0, socket.inet_aton(self.source), socket.inet_aton(self.destination),
        ) + self.options
        value = checksum(head) if self.checksum is None else self.checksum
        return head[:10] + struct.pack("!H", value) + head[12:] + self.payload

    @classmethod
    def parse(cls, data):
        """Take a packet apart; what lies behind its total length is not part of it."""
        first, tos, length, ident, fragment, ttl, protocol, value, source, destination = struct.unpack_from(
            "!BBHHHBBH4s4s", data
        )
        head = (first & 15) * 4
        return cls(
            socket.inet_ntoa(source), socket.inet_ntoa(destination), protocol, data[head:length], ttl, tos, ident,
            bool(fragment & 0x4000), bool(fragment & 0x2000), (fragment & 0x1FFF) * 8, data[20:head], length,
            first & 15, value, first >> 4,
        )

    @property
    def tcp(self):
        """The TCP segment inside."""
        return Tcp.parse(self.payload)

    @property
    def udp(self):
        """The UDP datagram inside."""
        return Udp.parse(self.payload)

    @property
    def icmp(self):
        """The ICMP message inside."""
        return Icmp.parse(self.payload)

    def wrong_checksums(self):
        """Which of its checksums are wrong, summed over every byte anew."""
        wrong = []
        head = self.build()[:self.header_words * 4]
        if ones_sum(head) != 0xFFFF:
            wrong.append("IPv4")
        pseudo = pseudo_header(self.source, self.destination, self.protocol, len(self.payload))
        if self.protocol == socket.IPPROTO_TCP and ones_sum(pseudo + self.payload) != 0xFFFF:
            wrong.append("TCP")
        if self.protocol == socket.IPPROTO_UDP and self.udp.checksum and ones_sum(pseudo + self.payload) != 0xFFFF:
            wrong.append("UDP")
        if self.protocol == socket.IPPROTO_ICMP and ones_sum(self.payload) != 0xFFFF:
            wrong.append("ICMP")
        return wrong


@dataclasses.dataclass
class Tcp:
    """A TCP header and its data."""

    sport: int
    dport: int
    flags: int
    seq: int = 0
    ack: int = 0
    data: bytes = b""
    options: bytes = b""
    window: int = 64240
    words: int | None = None
    checksum: int | None = None
    urgent: int = 0

    def build(self, source, destination):
        """The bytes of the segment between two addresses; options are filled up with END."""
        options = self.options + END * (-len(self.options) % 4)
        words = 5 + len(options) // 4 if self.words is None else self.words
        segment = struct.pack(
            "!HHIIBBHHH", self.sport, self.dport, self.seq & 0xFFFFFFFF, self.ack & 0xFFFFFFFF, words << 4,
            self.flags, self.window, 0, self.urgent,
        ) + options + self.data
        pseudo = pseudo_header(source, destination, socket.IPPROTO_TCP, len(segment))
        value = checksum(pseudo + segment) if self.checksum is None else self.checksum
        return segment[:16] + struct.pack("!H", value) + segment[18:]

    @classmethod
    def parse(cls, data):
        """Take a segment apart."""
        sport, dport, seq, ack, words, flags, window, value, urgent = struct.unpack_from("!HHIIBBHHH", data)
        head = (words >> 4) * 4
        return cls(sport, dport, flags & 31, seq, ack, data[head:], data[20:head], window, words >> 4, value, urgent)

    def option_list(self):
        """The options as (kind, value) pairs, up to the end mark; a NOP has the value b""."""
        found, rest = [], self.options
        while rest and rest[0] != 0:
            if rest[0] == 1:
                found.append((1, b""))
                rest = rest[1:]
                continue
            length = rest[1]
            assert 2 <= length <= len(rest), f"option {rest[0]} of length {length} in {self.options.hex(' ')}"
            found.append((rest[0], rest[2:length]))
            rest = rest[length:]
        return found

    def option(self, kind):
        """The value of the first option of a kind, or None."""
        return dict(reversed(self.option_list())).get(kind)

    def toas(self):
        """Every client address the options carry, as (address, port) pairs."""
        return [
            (socket.inet_ntoa(value[2:]), int.from_bytes(value[:2]))
            for kind, value in self.option_list() if kind == TOA_KIND and len(value) == 6
        ]


@dataclasses.dataclass
class Udp:
    """A UDP header and its data."""

    sport: int
    dport: int
    data: bytes = b""
    length: int | None = None
    checksum: int | None = None

    def build(self, source, destination):
        """The bytes of the datagram between two addresses."""
        length = 8 + len(self.data) if self.length is None else self.length
        datagram = struct.pack("!HHHH", self.sport, self.dport, length, 0) + self.data
        pseudo = pseudo_header(source, destination, socket.IPPROTO_UDP, len(datagram))
        value = (checksum(pseudo + datagram) or 0xFFFF) if self.checksum is None else self.checksum
        return datagram[:6] + struct.pack("!H", value) + datagram[8:]

    @classmethod
    def parse(cls, data):
        """Take a datagram apart."""
        sport, dport, length, value = struct.unpack_from("!HHHH", data)
        return cls(sport, dport, data[8:length], length, value)


@dataclasses.dataclass
class Icmp:
    """An ICMP message."""

    kind: int
    code: int
    rest: bytes = b"\0\0\0\0"
    data: bytes = b""

    def build(self):
        """The bytes of the message."""
        message = struct.pack("!BBH", self.kind, self.code, 0) + self.rest + self.data
        return message[:2] + struct.pack("!H", checksum(message)) + message[4:]

    @classmethod
    def parse(cls, data):
        """Take a message apart."""
        return cls(data[0], data[1], data[4:8], data[8:])

    @property
    def next_hop_mtu(self):
        """The MTU in a "fragmentation needed"."""
        return int.from_bytes(self.rest[2:])
