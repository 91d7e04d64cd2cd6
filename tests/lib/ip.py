# SPDX-License-Identifier: GPL-2.0
"""IP packets of both families, as far as they look the same to who speaks TCP or UDP over them."""

import dataclasses
import functools
import ipaddress
import socket
import struct

from .packets import checksum
from .packets import ones_sum

TCP, UDP, SCTP, ICMP, ICMP6 = socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_SCTP, 1, 58
ETHERTYPE = {4: 0x0800, 6: 0x86DD}


@functools.lru_cache(4096)
def packed(address):
    """The bytes of an address of either family."""
    return ipaddress.ip_address(address).packed


@functools.lru_cache(4096)
def text(address):
    """An address as one writes it."""
    return str(ipaddress.ip_address(address))


def family(address):
    """4 or 6."""
    return 6 if ":" in address else 4


def pseudo_header(source, destination, protocol, length):
    """What transport protocols sum besides themselves."""
    return packed(source) + packed(destination) + struct.pack("!II", length, protocol)


@dataclasses.dataclass
class Packet:
    """A packet without IP options, extension headers or fragments."""

    source: str
    destination: str
    protocol: int
    payload: bytes
    hops: int = 64
    dsfield: int = 0

    def build(self):
        """The bytes of the packet."""
        source, destination = packed(self.source), packed(self.destination)
        if len(source) == 16:
            words = struct.pack("!IHBB", 6 << 28 | self.dsfield << 20, len(self.payload), self.protocol, self.hops)
            return words + source + destination + self.payload
        head = struct.pack(
            "!BBHHHBBH", 0x45, self.dsfield, 20 + len(self.payload), 0, 0x4000, self.hops, self.protocol, 0
        ) + source + destination
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + self.payload

    @classmethod
    def parse(cls, data):
        """Take a packet apart."""
        if data[0] >> 4 == 6:
            first, length, protocol, hops = struct.unpack_from("!IHBB", data)
            return cls(text(data[8:24]), text(data[24:40]), protocol, data[40:40 + length], hops, first >> 20 & 255)
        length = int.from_bytes(data[2:4])
        head = (data[0] & 15) * 4
        assert ones_sum(data[:head]) == 0xFFFF, f"IPv4 header with a wrong checksum: {data[:head].hex(' ')}"
        return cls(text(data[12:16]), text(data[16:20]), data[9], data[head:length], data[8], data[1])

    def has_right_checksum(self):
        """Whether the sum of its transport protocol is right, over every byte anew."""
        if self.protocol == ICMP:
            return ones_sum(self.payload) == 0xFFFF
        if self.protocol == UDP and not self.payload[6] and not self.payload[7]:
            return len(packed(self.source)) == 4
        if self.protocol not in (TCP, UDP, ICMP6):
            return True
        pseudo = pseudo_header(self.source, self.destination, self.protocol, len(self.payload))
        return ones_sum(pseudo + self.payload) == 0xFFFF


def summed(source, destination, protocol, message, at):
    """A message with its checksum, over a pseudo header, at an offset."""
    pseudo = pseudo_header(source, destination, protocol, len(message))
    value = checksum(pseudo + message) or (0xFFFF if protocol == UDP else 0)
    return message[:at] + struct.pack("!H", value) + message[at + 2:]


def echo(source, destination, mark):
    """A ping with a mark of four bytes."""
    if family(source) == 4:
        message = struct.pack("!BBH", 8, 0, 0) + mark
        return Packet(source, destination, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])
    message = struct.pack("!BBH", 128, 0, 0) + mark
    return Packet(source, destination, ICMP6, summed(source, destination, ICMP6, message, 2))


def is_echo_reply(packet, mark):
    """Whether a packet answers that ping."""
    return packet.protocol in (ICMP, ICMP6) and packet.payload[0] in (0, 129) and packet.payload[4:] == mark
