# SPDX-License-Identifier: GPL-2.0
"""Instructions for a server to accept a connection and to learn who it is from, with and without toa.ko.

`traffic accept` plays the client by hand over the loopback device, one connection after the other: SYN, the end of the
handshake with the server's socket made from it, accept(), getpeername(), close(). Nothing is forwarded here.
"""

import json

from lib.namespace import Namespace
from lib.namespace import run

from .flow import Wrong

_NUMBER = 2000
_WARM = 300
_PARTS = ("syn", "ack", "accept", "getpeername", "close")
# Without this the kernel would answer for the client's address, and end its connections.
_SILENCE = "table inet f { chain o { type filter hook output priority 0; ip saddr 127.0.0.2 tcp flags rst drop; }; }"


def measure(option, named):
    """What one connection takes, with an option at the end of its handshake or without: the sum and its parts."""
    name = "accepting"
    run("ip", "netns", "add", name)
    host = Namespace(name)
    try:
        host.ip("link set lo up")
        host.run("nft", "-f", "-", input=_SILENCE)
        words = ["--option"] * option + ["--named"] * named
        host.run("traffic", "accept", "-n", _WARM, *words)
        done = host.run("traffic", "accept", "-n", _NUMBER, *words, code=None)
        if done.returncode:
            raise Wrong(f"a server was told the wrong client: {done.stderr}")
        costs = json.loads(done.stdout)
    finally:
        host.delete()
    return costs["all"], {part: costs[part] for part in _PARTS}
