# SPDX-License-Identifier: GPL-2.0
"""One connection of a script: the numbers of both ends, on both sides of the director."""

import dataclasses

from lib import ip

from . import segment
from .segment import FLAGS

WINDOW = 64240
TOA_KIND = 254
_TOA_LENGTH = {4: 8, 6: 20}
_FORGED = {4: ("192.0.2.66", 666), 6: ("2001:db8::666", 666)}
_MASK = 0xFFFFFFFF


def pattern(end, first, length):
    """What an end sends from a relative number on: other bytes at every place."""
    salt = 128 if end == "server" else 0
    return bytes((salt + place * 7 + (place >> 8)) & 0xFF for place in range(first, first + length))


@dataclasses.dataclass
class Connection:
    """The ends as they are known so far."""

    client: str
    cport: int
    vip: str
    vport: int
    local: str
    server: str
    rport: int
    isn: int
    server_isn: int | None
    shift: int = 0
    lport: int | None = None

    def numbers(self, end, there):
        """What is added to the relative numbers of an end, as seen on the client's or the server's side."""
        if end == "server":
            return self.server_isn
        return self.isn + (self.shift if there == "server" else 0)

    def packet(self, end, said):
        """What an end sends, as it leaves that end."""
        other = "server" if end == "client" else "client"
        if end == "client":
            source, sport, destination, dport = self.client, self.cport, self.vip, self.vport
        else:
            source, sport, destination, dport = self.server, self.rport, self.local, self.lport
        head = sport.to_bytes(2) + dport.to_bytes(2)
        options = self.options(said.options, end, there=end)
        options += b"\0" * (-len(options) % 4)
        head += self._absolute(said.seq, end, end) + self._absolute(said.ack, other, end)
        head += bytes(((20 + len(options)) << 2, said.flags & 0xFF))
        window = WINDOW if said.window is None else said.window
        head += window.to_bytes(2) + b"\0\0" + said.urgent.to_bytes(2)
        message = head + options + self.data(end, said)
        payload = ip.summed(source, destination, ip.TCP, message, 16)
        return ip.Packet(source, destination, ip.TCP, payload, dsfield=said.ecn)

    @staticmethod
    def data(end, said):
        """The bytes a segment carries."""
        if not said.length:
            return b""
        return pattern(end, said.seq.value + (said.flags & FLAGS["S"] > 0), said.length)

    def _absolute(self, number, end, there):
        if number is None:
            return bytes(4)
        value = number.value + (0 if number.absolute else self.numbers(end, there))
        return (value & _MASK).to_bytes(4)

    def options(self, said, end, there):
        """Options as bytes, without what only fills up."""
        other = "server" if end == "client" else "client"
        return b"".join(self._option(option, other, there) for option in said)

    def _option(self, option, other, there):
        family = ip.family(self.client)
        match option:
            case ("nop",):
                return b"\1"
            case ("eol",):
                return b"\0"
            case ("sackOK",):
                return b"\4\2"
            case "mss", size, lowered:
                return b"\2\4" + (size - (_TOA_LENGTH[family] if lowered else 0)).to_bytes(2)
            case "wscale", shift:
                return bytes((3, 3, shift))
            case "TS", value, echo:
                return b"\x08\x0a" + value.to_bytes(4) + echo.to_bytes(4)
            case "sack", *blocks:
                base = self.numbers(other, there)
                edges = b"".join((base + edge & _MASK).to_bytes(4) for block in blocks for edge in block)
                return bytes((5, 2 + len(edges))) + edges
            case "kind", kind, data:
                return bytes((kind, 2 + len(data))) + data
            case ("toa",):
                return self._toa(self.client, self.cport)
            case ("forged",):
                return self._toa(*_FORGED[family])
        raise segment.Wrong(f"{option} cannot be written")

    @staticmethod
    def _toa(address, port):
        packed = ip.packed(address)
        return bytes((TOA_KIND, 4 + len(packed))) + port.to_bytes(2) + packed

    def differences(self, end, said, packet, strict):
        """In what a packet that `end` has sent differs, at the other end, from what was said of it."""
        there = "server" if end == "client" else "client"
        if end == "client":
            addresses = (self.local, self.lport, self.server, self.rport)
        else:
            addresses = (self.vip, self.vport, self.client, self.cport)
        tcp = packet.payload
        head = (tcp[12] >> 4) * 4
        window = WINDOW if strict and said.window is None else said.window
        wanted = {
            "source": addresses[0], "source port": addresses[1], "destination": addresses[2],
            "destination port": addresses[3], "flags": said.flags, "window": window, "urgent": said.urgent,
            "ECN": said.ecn if strict else None, "data": self.data(end, said), "hops": 64 if said.own else 63,
            "checksum": True,
            "seq": None if said.seq is None else int.from_bytes(self._absolute(said.seq, end, there)),
            "ack": int.from_bytes(self._absolute(said.ack, there, there)),
            "options": None if said.options is None else without_padding(self.options(said.options, end, there)),
        }
        if said.ack is None and said.flags & FLAGS["."]:
            wanted["ack"] = None
        got = {
            "source": packet.source, "source port": int.from_bytes(tcp[0:2]), "destination": packet.destination,
            "destination port": int.from_bytes(tcp[2:4]), "flags": tcp[13], "window": int.from_bytes(tcp[14:16]),
            "urgent": int.from_bytes(tcp[18:20]), "ECN": packet.dsfield, "data": tcp[head:], "hops": packet.hops,
            "checksum": packet.has_right_checksum(), "seq": int.from_bytes(tcp[4:8]),
            "ack": int.from_bytes(tcp[8:12]), "options": without_padding(tcp[20:head]),
        }
        return [
            f"{name} is {_show(got[name])}, not {_show(value)}"
            for name, value in wanted.items() if value is not None and got[name] != value
        ]


def without_padding(options):
    """Options one by one, without NOPs and what follows the end mark."""
    found = []
    while options and options[0] != 0:
        length = 1 if options[0] == 1 else max(options[1] if len(options) > 1 else 0, 2)
        if length > 1:
            found.append(options[:length].hex())
        options = options[length:]
    return found


def _show(value):
    return value.hex() if isinstance(value, bytes) else value
