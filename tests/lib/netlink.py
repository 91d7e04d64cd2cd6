# SPDX-License-Identifier: GPL-2.0
"""Generic netlink by hand, so that a test can send what no sane program would."""

import dataclasses
import os
import socket
import struct

_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_NETLINK_GENERIC, _CTRL, _GETFAMILY = 16, 16, 3
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_ACK_TLVS = 0x200
_ERROR, _DONE = 2, 3
NESTED = 0x8000


def attribute(kind, value, length=None):
    """One attribute, padded; length lies about its size."""
    length = 4 + len(value) if length is None else length
    return struct.pack("=HH", length, kind) + value + b"\0" * (-len(value) % 4)


def nest(kind, *attributes):
    """An attribute made of attributes."""
    return attribute(kind | NESTED, b"".join(attributes))


def pairs(data):
    """Attributes as (kind, value), in their order."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3:]


def parse(data):
    """Attributes as {kind: value}; of doubled ones the last."""
    return dict(pairs(data))


@dataclasses.dataclass
class Answer:
    """What the kernel said: an error number (0 is none), its words, and the attributes of every message."""

    error: int
    text: str
    messages: list

    @property
    def name(self):
        """The error as in errno(3), or "ok"."""
        import errno
        return errno.errorcode[self.error] if self.error else "ok"


class Family:
    """A generic netlink family in a namespace."""

    def __init__(self, namespace, name, version=1):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        self.socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self.socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self.socket.settimeout(5)
        self.sequence = 0
        self.version = version
        self.number = _CTRL
        answer = self.ask(_GETFAMILY, attribute(2, name.encode() + b"\0"))
        if answer.error:
            raise OSError(answer.error, f"netlink family {name}: {os.strerror(answer.error)}")
        self.number = int.from_bytes(answer.messages[0][1], "little")

    def ask(self, command, *attributes, dump=False, body=None, flags=0):
        """Send a request and collect the whole answer; body replaces everything behind the netlink header."""
        self.sequence += 1
        body = struct.pack("=BBH", command, self.version, 0) + b"".join(attributes) if body is None else body
        kind = _REQUEST | _ACK | flags | (_DUMP if dump else 0)
        self.socket.send(struct.pack("=IHHII", 16 + len(body), self.number, kind, self.sequence, 0) + body)
        messages = []
        while True:
            data = self.socket.recv(1 << 18)
            while data:
                length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", data)
                payload, data = data[16:length], data[(length + 3) & ~3:]
                if sequence != self.sequence:
                    continue
                if kind in (_ERROR, _DONE):
                    return self._ended(kind, flags, payload, messages)
                messages.append(parse(payload[4:]))

    @staticmethod
    def _ended(kind, flags, payload, messages):
        error = -struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
        text = ""
        if flags & _ACK_TLVS:
            text = parse(payload[20 if kind == _ERROR else 4:]).get(1, b"").rstrip(b"\0").decode()
        return Answer(max(error, 0), text, messages)

    def close(self):
        """Stop."""
        self.socket.close()
