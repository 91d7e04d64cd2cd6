# SPDX-License-Identifier: GPL-2.0
"""Scripts: one event a line, carried out from top to bottom.

    client > SEGMENT           the client sends it to the service
    server < SEGMENT           it must be the next that the real server gets, translated
    server > SEGMENT           the real server sends it to where that came from
    client < SEGMENT           it must be the next that the client gets, translated
    client < nothing           nothing must have come (server < nothing, too)
    connection NAME ...        go on with another connection; made when it is first named:
                                 port NAME   with the client port of that one
                                 isn N       with the client's SYN that far from the first connection's
    state NAME                 what IPVS says of it; `state gone` waits for its end
    freed NAME                 wait until the director has forgotten that connection and has its local port back
    local same NAME            the real server must see the same local port as of that connection
    local other NAME           the contrary
    count NAME N               the counter must have moved by so much since the beginning, or its last mention
    kernel WORD ...            something a program on the real server does; see player.py

The head of a script says what it needs, before its first event:

    service WORD ...           a service of its own, with these words for rsipvsadm -A
    ports N                    a range of so many local ports
    sysctl NAME VALUE          a setting below net.ipv4.vs
    timeout TCP FIN UDP        IPVS's timeouts
    real                       the real server is the kernel, with sockets that `kernel` lines open
    only FAMILY ...            of ipv4, ipv6, nat64, nat46

What follows a # is a comment; the first comment says what the script is about.
"""

import dataclasses

from . import segment as segments
from .segment import Segment
from .segment import Wrong

FAMILIES = ("ipv4", "ipv6", "nat64", "nat46")
_HEAD = {"service": None, "ports": 1, "sysctl": 2, "timeout": 3, "real": 0, "only": None}
_EVENTS = {"state": 1, "count": 2, "local": 2, "freed": 1}
_KERNEL = {"listens": (0, 4), "accepts": (0, 0), "gets": (1, 1), "sends": (1, 1), "closes": (0, 0), "resets": (0, 0),
           "ends": (0, 0), "remembers": (1, 1)}


@dataclasses.dataclass(frozen=True)
class Event:
    """One line: its number, its text, the verb and what goes with it."""

    line: int
    text: str
    verb: str
    end: str = ""
    segment: Segment | None = None
    words: tuple = ()


@dataclasses.dataclass
class Script:
    """A script that has been read."""

    about: str
    head: dict
    events: list

    @property
    def families(self):
        """Where it can be played."""
        return self.head.get("only", FAMILIES)


def parse(text):
    """Read a script; a wrong line is refused by its number."""
    script = Script("", {}, [])
    for number, line in enumerate(text.splitlines(), 1):
        words, _, comment = line.partition("#")
        if not script.about and comment.strip() and "SPDX" not in comment:
            script.about = comment.strip()
        try:
            _line(script, number, words.strip())
        except Wrong as reason:
            raise Wrong(f"line {number}: {reason}") from None
    if not script.events:
        raise Wrong("a script without events")
    if not script.about:
        raise Wrong("a script that does not say what it is about")
    return script


def _line(script, number, text):
    words = tuple(text.split())
    if not words:
        return
    if words[0] in _HEAD:
        if script.events:
            raise Wrong(f"{words[0]} comes before the first event")
        _head(script.head, *words)
    else:
        script.events.append(_event(number, text, words))


def _head(head, name, *values):
    wanted = _HEAD[name]
    if wanted is not None and len(values) != wanted:
        raise Wrong(f"{name} takes {wanted} words")
    if name == "sysctl":
        head.setdefault(name, {})[values[0]] = values[1]
        return
    if name in head:
        raise Wrong(f"{name} is said twice")
    if name == "only" and not (values and set(values) <= set(FAMILIES)):
        raise Wrong(f"only is followed by {', '.join(FAMILIES)}")
    head[name] = values


def _event(number, text, words):
    if words[0] in ("client", "server"):
        return _packet(number, text, words)
    if words[0] == "connection":
        _pairs(words[2:])
        if len(words) < 2:
            raise Wrong("connection is followed by a name")
        return Event(number, text, "connection", words=words[1:])
    if words[0] == "kernel":
        fewest, most = _KERNEL.get(words[1] if len(words) > 1 else "", (1, 0))
        if not fewest <= len(words) - 2 <= most:
            raise Wrong(f"the kernel's server {', '.join(_KERNEL)}")
        return Event(number, text, "kernel", words=words[1:])
    if words[0] not in _EVENTS:
        raise Wrong(f"{words[0]} is no event")
    if len(words) - 1 != _EVENTS[words[0]]:
        raise Wrong(f"{words[0]} takes {_EVENTS[words[0]]} words")
    if words[0] == "local" and words[1] not in ("same", "other"):
        raise Wrong("a local port is the same or another")
    return Event(number, text, words[0], words=words[1:])


def _pairs(words):
    names = words[::2]
    if len(words) % 2 or not set(names) <= {"port", "isn"} or len(set(names)) < len(names):
        raise Wrong("a connection has port NAME and isn N")


def _packet(number, text, words):
    if len(words) < 3 or words[1] not in "<>":
        raise Wrong("an end sends (>) or gets (<) a segment")
    if words[2:] == ("nothing",):
        if words[1] == ">":
            raise Wrong("nothing cannot be sent")
        return Event(number, text, "silence", words[0])
    said = segments.parse(text.split(words[1], 1)[1])
    if words[1] == ">":
        if said.seq is None or said.ack is None and said.flags & 16 or said.options is None or said.shifted or said.own:
            raise Wrong("what is sent is known to the last bit")
        return Event(number, text, "send", words[0], said)
    return Event(number, text, "expect", words[0], said)
