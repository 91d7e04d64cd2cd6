# SPDX-License-Identifier: GPL-2.0
"""A TCP segment in one line: `PA 1:101(100) ack 1 win 500 <nop,nop,TS val 100 ecr 7>`.

Numbers are relative, as the two ends of one connection count: those of the client's side begin with the client's SYN,
those of the server's side with the server's. `=5` is the number 5 itself, `*` is any.
"""

import dataclasses
import re

# As tcpdump and packetdrill write them; a dot is an acknowledgement.
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128}
ECN = {"not": 0, "ect1": 1, "ect0": 2, "ce": 3}
ANY = "*"

_TOKEN = re.compile(r"<[^>]*>|\S+")
_NUMBERS = re.compile(r"(\*|=?-?\d+)(?::(-?\d+)\((\d+)\))?$")
_NUMBER = re.compile(r"=?-?\d+$|\*$")


class Wrong(Exception):
    """A line that says nothing, or something impossible."""


@dataclasses.dataclass(frozen=True)
class Number:
    """A sequence number: relative to its end's first, or itself."""

    value: int
    absolute: bool = False

    @classmethod
    def parse(cls, text):
        """`7`, `-7`, `=7`, or None for `*`."""
        if not _NUMBER.match(text):
            raise Wrong(f"{text} is not a number")
        return None if text == ANY else cls(int(text.lstrip("=")), text.startswith("="))


@dataclasses.dataclass(frozen=True)
class Segment:
    """What a line says of a segment. In what is expected, None is anything."""

    flags: int
    seq: Number | None
    length: int
    ack: Number | None = None
    window: int | None = None
    urgent: int = 0
    ecn: int = 0
    options: tuple | None = ()
    shifted: bool = False  # By a new distance, from here on.
    own: bool = False      # Of the director's own making.

    @property
    def end(self):
        """The relative number behind it."""
        return self.seq.value + self.length + (self.flags & FLAGS["S"] > 0) + (self.flags & FLAGS["F"] > 0)


def parse(line):
    """A segment out of its line."""
    tokens = _TOKEN.findall(line)
    if len(tokens) < 2:
        raise Wrong("a segment is flags and numbers")
    flags, numbers, *rest = tokens
    if not all(flag in FLAGS for flag in flags) or len(set(flags)) < len(flags):
        raise Wrong(f"{flags}: flags are of {''.join(FLAGS)}, each once")
    found = {"flags": sum(FLAGS[flag] for flag in flags), **_numbers(numbers)}
    while rest:
        word = rest.pop(0)
        if word.startswith("<"):
            name, value = "options", options(word)
        elif word in ("shifted", "own"):
            name, value = word, True
        elif word in _WORDS and rest:
            name, parse_value = _WORDS[word]
            value = parse_value(rest.pop(0))
        else:
            raise Wrong(f"{word} says nothing of a segment")
        if name in found:
            raise Wrong(f"{word} is said twice")
        found[name] = value
    if ("ack" in found) != bool(found["flags"] & FLAGS["."]):
        raise Wrong("ack and the flag . go together")
    if ("urgent" in found) != bool(found["flags"] & FLAGS["U"]):
        raise Wrong("urg and the flag U go together")
    return Segment(**found)


def _numbers(text):
    match = _NUMBERS.match(text)
    if not match:
        raise Wrong(f"{text}: numbers are first:end(length)")
    first, end, length = Number.parse(match[1]), match[2], int(match[3] or 0)
    if end is not None and (first is None or first.absolute or first.value + length != int(end)):
        raise Wrong(f"{text}: the length is not the difference")
    return {"seq": first, "length": length}


def _plain(text):
    if not text.isdigit():
        raise Wrong(f"{text} is not a number")
    return int(text)


def _ecn(text):
    if text not in ECN:
        raise Wrong(f"{text}: ECN is one of {', '.join(ECN)}")
    return ECN[text]


_WORDS = {
    "ack": ("ack", Number.parse), "win": ("window", _plain), "urg": ("urgent", _plain), "ecn": ("ecn", _ecn),
}


def options(text):
    """TCP options, as tuples of a name and its values; None is anything."""
    inner = text.strip("<>").strip()
    if inner == ANY:
        return None
    return tuple(_option(part.split()) for part in inner.split(",")) if inner else ()


def _option(words):
    name, values = words[0], words[1:]
    match name, values:
        case ("nop" | "eol" | "sackOK" | "toa" | "forged"), []:
            return (name,)
        case "mss", [size]:
            # The director lowers it by what a client's address takes.
            lowered = size.endswith("-toa")
            return (name, _plain(size.removesuffix("-toa")), lowered)
        case "wscale", [shift]:
            return (name, _plain(shift))
        case "TS", ["val", value, "ecr", echo]:
            return (name, _plain(value), _plain(echo))
        case "sack", [_, *_]:
            return (name, *(_block(value) for value in values))
        case "kind", [kind, *data]:
            return (name, _plain(kind), bytes.fromhex("".join(data)))
    raise Wrong(f"{' '.join(words)} is no option that this language knows")


def _block(text):
    match = re.fullmatch(r"(-?\d+):(-?\d+)", text)
    if not match:
        raise Wrong(f"{text}: a block is first:end")
    return int(match[1]), int(match[2])
