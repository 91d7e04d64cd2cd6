# SPDX-License-Identifier: GPL-2.0
"""What a walk sends: TCP segments and UDP datagrams, each with a number of its own at the head of its data."""

import dataclasses
import struct

from lib import ip

_TOA_KIND = 254
_FORGED = {4: ("192.0.2.66", 666), 6: ("2001:db8::666", 666)}


@dataclasses.dataclass
class Message:
    """A segment or datagram."""

    protocol: int
    saddr: str
    sport: int
    daddr: str
    dport: int
    data: bytes = b""
    flags: int = 0
    seq: int = 0
    ack: int = 0
    mss: int | None = None
    forged: bool = False
    toa: tuple | None = None
    hops: int = 64

    def __str__(self):
        """Short enough for a list of steps."""
        ends = f"{self.saddr}.{self.sport} > {self.daddr}.{self.dport} #{int.from_bytes(self.data[:8])}"
        if self.protocol == ip.UDP:
            return f"UDP {ends}"
        flags = "".join(name for bit, name in enumerate("FSRPA") if self.flags & 1 << bit)
        words = [f"TCP {ends} {flags} seq {self.seq} ack {self.ack}"]
        words += [f"mss {self.mss}"] * bool(self.mss) + ["forged"] * self.forged
        return " ".join(words)

    @property
    def client(self):
        """The ends of the connection, if a client has sent it."""
        return self.saddr, self.sport, self.daddr, self.dport

    def packet(self):
        """The packet on the wire."""
        ports = struct.pack("!HH", self.sport, self.dport)
        if self.protocol == ip.UDP:
            message = ports + struct.pack("!HH", 8 + len(self.data), 0) + self.data
            return ip.Packet(self.saddr, self.daddr, ip.UDP, ip.summed(self.saddr, self.daddr, ip.UDP, message, 6))
        options = b"" if self.mss is None else b"\2\4" + self.mss.to_bytes(2)
        if self.forged:
            options += _option(*_FORGED[ip.family(self.saddr)])
        options += b"\1" * (-len(options) % 4)
        head = struct.pack("!IIBBHHH", self.seq, self.ack, 20 + len(options) << 2, self.flags, 5000, 0, 0)
        message = ports + head + options + self.data
        return ip.Packet(self.saddr, self.daddr, ip.TCP, ip.summed(self.saddr, self.daddr, ip.TCP, message, 16))

    @classmethod
    def parse(cls, packet):
        """A message out of a packet; of another protocol, one without data."""
        payload = packet.payload
        if packet.protocol not in (ip.TCP, ip.UDP):
            return cls(packet.protocol, packet.source, 0, packet.destination, 0)
        assert packet.has_right_checksum(), f"wrong checksum: {packet}"
        found = cls(packet.protocol, packet.source, int.from_bytes(payload[:2]), packet.destination,
                    int.from_bytes(payload[2:4]), hops=packet.hops)
        if packet.protocol == ip.UDP:
            found.data = payload[8:]
            return found
        found.seq, found.ack, words, found.flags = struct.unpack_from("!IIBB", payload, 4)
        head = (words >> 4) * 4
        found.data = payload[head:]
        found._read(payload[20:head])
        return found

    def _read(self, options):
        """The options, of which there is one of each kind at most."""
        while options and options[0]:
            length = 1 if options[0] == 1 else options[1]
            value = options[2:length]
            if options[0] == 2:
                assert self.mss is None
                self.mss = int.from_bytes(value)
            elif options[0] == _TOA_KIND:
                assert self.toa is None, "two addresses in one segment"
                self.toa = ip.text(value[2:]), int.from_bytes(value[:2])
            else:
                assert options[0] == 1, f"option {options[0]} out of nowhere"
            options = options[length:]

    def translated(self, saddr, sport, daddr, dport):
        """The same with other ends, one hop on."""
        return dataclasses.replace(self, saddr=saddr, sport=sport, daddr=daddr, dport=dport, hops=self.hops - 1)

    def same_as(self, seen):
        """Fail naming what differs in a message that was to be this one."""
        wrong = [
            f"{field.name} is {getattr(seen, field.name)!r}, not {getattr(self, field.name)!r}"
            for field in dataclasses.fields(self) if getattr(seen, field.name) != getattr(self, field.name)
        ]
        assert not wrong, "; ".join(wrong)


def _option(address, port):
    packed = ip.packed(address)
    return bytes((_TOA_KIND, 4 + len(packed))) + port.to_bytes(2) + packed
