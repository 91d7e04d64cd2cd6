# SPDX-License-Identifier: GPL-2.0
"""Instructions for a program to get a datagram, with and without uoa.ko.

A neighbour sends from a packet socket, and the program reads: one datagram after the other. Nothing is forwarded here.
What the module adds is counted against the same datagrams without it; a header of protocol 248, which nobody takes off
then, against a plain datagram.
"""

import gc
import socket
import statistics
import struct
import time

from lib import modules
from lib.namespace import Namespace
from lib.namespace import run
from lib.packets import IPv4
from lib.packets import Udp
from lib.uoa import OPP
from lib.uoa import UDP
from lib.uoa import header
from lib.uoa import option

from .counting import Count
from .counting import settle
from .flow import Wrong
from .network import Sender

DATAGRAMS, _SLICES, _WARM = 2000, 7, 300
_HOST, _LOCAL, _PORT = "10.6.0.1", "10.6.0.2", 9000
_MACS = ("02:00:00:00:06:01", "02:00:00:00:06:02")
_CLIENT = ("203.0.113.9", 258)
_DATA = b"eighteen bytes ..."
# The flow that is counted, and another one.
_FLOW, _OTHER = 4000, 4001
PLAIN, OPTION = "receive/udp4/plain", "receive/udp4/option"
WITHOUT = {PLAIN: "a datagram, no module", OPTION: "a datagram with an IP option, no module"}
# What comes before those that are counted, from where, and what they are; what they are compared with.
_CASES = {
    "empty": ("nobody known", None, "plain", PLAIN),
    "stranger": ("of nobody known", _OTHER, "plain", PLAIN),
    "known": ("of a known client", _FLOW, "plain", PLAIN),
    "option": ("with an IP option", _FLOW, "option", OPTION),
    "opp": ("with a header", _FLOW, "opp", PLAIN),
}
MODES = {"uoa": "uoa.ko", "uoa-transparent": "uoa.ko, transparent"}
WITH = {f"{mode}/udp4/{case}": (mode, case) for mode in MODES for case in _CASES}


def _bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def _frame(kind, port):
    """A frame with a datagram: a plain one, or one with an address in an IP option or in a header."""
    address = option(*_CLIENT)
    datagram = Udp(port, _PORT, _DATA).build(_LOCAL, _HOST)
    front, options = header(address) if kind == "opp" else b"", address if kind == "option" else b""
    packet = IPv4(_LOCAL, _HOST, OPP if front else UDP, front + datagram, options=options)
    return _bytes(_MACS[0]) + _bytes(_MACS[1]) + struct.pack("!H", 0x0800) + packet.build()


class _Hosts:
    """The program's host, and its neighbour."""

    def __init__(self):
        for name in ("receiver", "neighbour"):
            run("ip", "netns", "add", name)
        self.host, self.neighbour = Namespace("receiver"), Namespace("neighbour")
        run("ip", "link", "add", "h0", "netns", "receiver", "type", "veth", "peer", "name", "n0", "netns", "neighbour")
        for namespace, link, mac in zip((self.host, self.neighbour), ("h0", "n0"), _MACS, strict=True):
            namespace.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
            namespace.ip("link set lo up", f"link set {link} address {mac}", f"link set {link} up")
        self.host.ip(f"addr add {_HOST}/24 dev h0", "route add default via 10.6.0.3",
                     f"neigh add {_LOCAL} lladdr {_MACS[1]} dev h0 nud permanent")
        self.sender = Sender(self.neighbour, "n0")
        with self.host.entered():
            self.program = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.program.bind((_HOST, _PORT))
        # A limit that costs no system call of its own.
        self.program.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 2, 0))

    def receive(self, kind, port, expected=None):
        """Send one datagram, which the program must get, from whom it is to think that it comes."""
        self.sender.send(_frame(kind, port))
        data, name = self.program.recvfrom(2048)
        if data != _DATA or expected not in (None, name):
            raise Wrong(f"a program got {data!r} from {name}, not from {expected}")

    def count(self, kind, expected):
        """What one datagram takes, sent and read."""
        self.receive(kind, _FLOW, expected)
        frame = _frame(kind, _FLOW)
        self._time(frame, _WARM)
        settle()
        gc.collect()
        gc.disable()
        times = [self._time(frame, DATAGRAMS) for _ in range(_SLICES)]
        gc.enable()
        self.receive(kind, _FLOW, expected)
        return statistics.median(times) / DATAGRAMS

    def _time(self, frame, number):
        send, receive = self.sender.send, self.program.recv
        start = time.perf_counter_ns()
        for _ in range(number):
            send(frame)
            receive(2048)
        return time.perf_counter_ns() - start

    def close(self):
        """Take everything away."""
        self.sender.close()
        self.program.close()
        self.host.delete()
        self.neighbour.delete()


def measure(wants):
    """Yield name, title and count of each row that is wanted."""
    wanted = [name for name in WITH if wants(name)]
    if not wanted and not any(map(wants, WITHOUT)):
        return
    hosts = _Hosts()
    try:
        floors = {name: hosts.count(name.rpartition("/")[2], (_LOCAL, _FLOW)) for name in WITHOUT}
        for name in filter(wants, WITHOUT):
            yield name, WITHOUT[name], Count(floors[name], 0)
        for name in wanted:
            mode, case = WITH[name]
            title, before, kind, floor = _CASES[case]
            # An empty table for each.
            modules.insert("uoa")
            hosts.host.sysctl("net.ipv4.uoa.transparent", int(mode == "uoa-transparent"))
            if before:
                hosts.receive("opp", before)
            is_shown = mode == "uoa-transparent" and before == _FLOW
            total = hosts.count(kind, _CLIENT if is_shown else (_LOCAL, _FLOW))
            modules.remove("uoa")
            yield name, f"{MODES[mode]}, {title}", Count(total, floors[floor])
    finally:
        hosts.close()
