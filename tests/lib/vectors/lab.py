# SPDX-License-Identifier: GPL-2.0
"""A director between two packet sockets, and the way of a vector through it.

All frames are sent by one thread on one processor, so the director deals with them in the order in which they are
sent: when it has answered a ping, everything that was to come of a packet has come.
"""

import itertools
import os
import select
import socket
import struct
import time

from lib import netlink
from lib.namespace import Namespace
from lib.namespace import run

from . import network
from . import shapes
from .network import FAR
from .network import NEAR
from .shapes import Where
from .shapes import place_of
from .vector import Out

_OUTGOING = 4
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}
_LINK = {NEAR: "near", FAR: "far"}
_COUNTER_GET = 5
_FIRST_PORT = 20000
_numbers = itertools.count(1)
_MARK = b"\xf0\x0d\xf0\x0d"
_OPENING = {
    network.TCP: (
        ("request", shapes.Segment("S")),
        ("reply", shapes.Segment("SA")),
        ("request", shapes.Segment("A")),
        ("reply", shapes.Segment("PA", b"!")),
        ("request", shapes.Segment("A", ack=network.SERVER_ISN + 2)),
    ),
    network.UDP: (("request", shapes.Datagram(b"?")), ("reply", shapes.Datagram(b"!"))),
    network.SCTP: (("request", shapes.Chunks(shapes.SCTP_INIT, tag=0)),),
}
# Neighbour discovery and multicast listener reports of the director itself.
_NOISE = {*range(130, 138), 143}


class Tap:
    """A packet socket on the outer end of a link of the director."""

    def __init__(self, namespace, interface):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((interface, 3))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]
        self.peer = None

    def send(self, packet):
        """Send a packet; what its first four bits say is what the frame says."""
        kind = _ETHERTYPE.get(packet[0] >> 4, _ETHERTYPE[4])
        self.socket.send(self.peer + self.mac + struct.pack("!H", kind) + packet)

    def read(self):
        """Every IP packet that has come so far."""
        while True:
            try:
                frame, (_, kind, direction, *_) = self.socket.recvfrom(1 << 17)
            except BlockingIOError:
                return
            packet = frame[14:]
            if direction != _OUTGOING and kind in _ETHERTYPE.values() and not _is_noise(kind, packet):
                yield packet


def _is_noise(kind, packet):
    """Whether the director said this on its own: ICMPv6, bare or behind hop-by-hop options (MLD)."""
    if kind != _ETHERTYPE[6]:
        return False
    behind_options = packet[6] == 0 and packet[40] == 58
    return (packet[6] == 58 and packet[40] in _NOISE) or (behind_options and packet[48] in _NOISE)


class Lab:
    """The director, its two links, and the services that vectors have asked for so far."""

    def __init__(self):
        tag = f"{os.getpid()}-{next(_numbers)}"
        names = [f"{role}-{tag}" for role in ("vectors-director", "vectors-ends")]
        self._ip(f"netns add {name}" for name in names)
        self.director, self.ends = (Namespace(name) for name in names)
        self.affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(self.affinity)})
        for family in ("default", "all"):
            self.ends.sysctl(f"net.ipv6.conf.{family}.disable_ipv6", 1)
            self.director.sysctl(f"net.ipv6.conf.{family}.accept_dad", 0)
        # What a vector leaves unfinished must not be reported in the middle of a later one.
        for name in ("net.ipv4.ipfrag_time", "net.ipv6.ip6frag_time", "net.netfilter.nf_conntrack_frag6_timeout"):
            self.director.sysctl(name, 3600)
        self.director.sysctl("net.ipv6.auto_flowlabels", 0)
        for name in ("net.ipv4.icmp_ratelimit", "net.ipv4.icmp_msgs_per_sec", "net.ipv6.icmp.ratelimit"):
            self.director.sysctl(name, 1000000 if name.endswith("sec") else 0)
        self._ip(
            f"link add {link} netns {names[0]} type veth peer name {link} netns {names[1]}" for link in _LINK.values()
        )
        self.ends.ip(*(f"link set {link} up" for link in _LINK.values()))
        self.taps = {place: Tap(self.ends, link) for place, link in _LINK.items()}
        self._address()
        self.counting = netlink.Family(self.director, "IPVS_FLOW")
        self.kinds = set()
        self.openings = {}
        self.ports = _FIRST_PORT
        ends = {"source": network.CLIENT[4], "destination": network.DIRECTOR[NEAR][4]}
        self.ping = shapes.Icmp(8, 0, _MARK, **ends).bytes(
            Where(network.Flow(network.KINDS["tcp4"], 1), NEAR, "request")
        )
        self.pong = self.ping[16:20] + self.ping[12:16]

    @staticmethod
    def _ip(lines):
        run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def _address(self):
        lines = ["link set lo up"]
        for family, bits in ((4, (32, 24)), (6, (128, 64))):
            nodad = "" if family == 4 else " nodad"
            lines += [f"addr add {a[family]}/{bits[0]} dev lo{nodad}" for a in (network.VIP, network.LOCAL)]
            lines += [
                f"addr add {network.DIRECTOR[place][family]}/{bits[1]} dev {link}{nodad}"
                for place, link in _LINK.items()
            ]
        lines += [f"link set {link} up" for link in _LINK.values()]
        for place, hosts in (
            (NEAR, (network.CLIENT, network.SMALL_CLIENT, network.ROUTER[NEAR])),
            (FAR, (network.SERVER, network.SMALL_SERVER, network.ROUTER[FAR])),
        ):
            link, mac = _LINK[place], self.taps[place].mac.hex(":")
            for family in (4, 6):
                lines += [f"neigh replace {host[family]} lladdr {mac} dev {link} nud permanent" for host in hosts]
                small = hosts[1][family]
                lines.append(
                    f"route replace {small}/{128 if family == 6 else 32} dev {link} mtu lock {network.SMALL_MTU}"
                )
        self.director.ip(*lines)
        for place, link in _LINK.items():
            # What a link would leave to a network card is done before it is seen here.
            self.director.run("ethtool", "-K", link, "tx", "off")
            with self.director.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as inner:
                inner.bind((link, 0))
                self.taps[place].peer = inner.getsockname()[4]

    def close(self):
        """Take everything away."""
        os.sched_setaffinity(0, self.affinity)
        self.counting.close()
        for tap in self.taps.values():
            tap.socket.close()
        self.director.delete()
        self.ends.delete()

    def flow(self, vector):
        """A connection of the vector's kind that is as far as its state says."""
        kind = network.KINDS[vector.kind]
        if kind.name not in self.kinds:
            self.director.run("rsipvsadm", "-R", input="\n".join(kind.rules()) + "\n")
            self.kinds.add(kind.name)
        self.ports += 1
        flow = network.Flow(kind, **{"cport": self.ports, **vector.client})
        opening = _OPENING[kind.protocol]
        if kind.protocol == network.TCP:
            opening = opening[: {"new": 0, "half": 1, "open": 3, "known": 5}[vector.state]]
        elif vector.state == "new":
            opening = ()
        elif kind.protocol == network.UDP and vector.way == "request":
            # IPVS is to have heard of the direction, unless the first datagrams are others than those behind.
            opening = opening[:1] * (1 if kind.options else 2)
        for number, (way, shape) in enumerate(opening):
            self.pass_by(flow, way, self.opening(flow, number, way, shape))
        return flow

    def opening(self, flow, number, way, shape):
        """A packet of an opening: all that differs from flow to flow are ports, and nobody here checks the sums."""
        key = flow.kind, flow.client, number, way
        if key not in self.openings:
            self.openings[key] = self.packet(flow, way, shape)
        packet = bytearray(self.openings[key])
        at = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
        port = (at, flow.cport) if way == "request" else (at + 2, flow.lport)
        struct.pack_into("!H", packet, *port)
        return bytes(packet)

    def pass_by(self, flow, way, packet):
        """Send a packet that only prepares what is tested, and wait until it is through."""
        self.taps[place_of(way, sent=True)].send(packet)
        tap = self.taps[place_of(way, sent=False)]
        end = time.monotonic() + 3
        while not (arrived := list(tap.read())):
            assert time.monotonic() < end, f"nothing came of the {way} {packet.hex()} that prepares the connection"
            select.select([tap.socket], [], [], 0.5)
        if way == "request":
            self.learn(flow, arrived[0])

    @staticmethod
    def learn(flow, packet):
        """The local port is the source port of what the server sees."""
        v4 = packet[0] >> 4 == 4
        at = (packet[0] & 15) * 4 if v4 else 40
        if packet[9 if v4 else 6] == shapes.Introduced.protocol:
            at += packet[at + 3]
        if flow.lport is None:
            flow.lport = int.from_bytes(packet[at:at + 2])

    @staticmethod
    def packet(flow, way, shape):
        """A packet of a flow, as it is sent."""
        return shape.bytes(Where(flow, place_of(way, sent=True), way))

    def settle(self):
        """What has come out on either side, once the director has dealt with all that was sent."""
        self.taps[NEAR].send(self.ping)
        got = {NEAR: [], FAR: []}
        end = time.monotonic() + 3
        while True:
            for place, tap in self.taps.items():
                got[place] += tap.read()
            if got[NEAR] and got[NEAR][-1][12:20] == self.pong and got[NEAR][-1][24:28] == _MARK:
                got[NEAR].pop()
                return got
            assert time.monotonic() < end, "the director does not answer a ping"
            select.select([self.taps[NEAR].socket], [], [], 0.5)

    def send(self, place, packet):
        """Send a packet of a vector."""
        self.taps[place].send(packet)

    def counters(self):
        """Every counter of the director by name."""
        messages = self.counting.ask(_COUNTER_GET, dump=True).messages
        pairs = (netlink.parse(message[4]) for message in messages)
        return {pair[1].rstrip(b"\0").decode(): struct.unpack("=Q", pair[2])[0] for pair in pairs}

    def check(self, vector):
        """Run a vector."""
        for name, value in vector.sysctls.items():
            vector.sysctls[name] = self.director.sysctl(name, value)
        try:
            flow = self.flow(vector)
            for shape in vector.before:
                self.pass_by(flow, vector.way, self.packet(flow, vector.way, shape))
            self.settle()
            before = self.counters()
            for shape in vector.sent if isinstance(vector.sent, tuple) else (vector.sent,):
                self.send(place_of(vector.way, sent=True), self.packet(flow, vector.way, shape))
            got = self.settle()
            after = self.counters()
        finally:
            for name, value in vector.sysctls.items():
                vector.sysctls[name] = self.director.sysctl(name, value)
        if got[FAR]:
            self.learn(flow, got[FAR][0])
        compare(flow, vector, got)
        moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        assert moved == vector.counts, "counters that moved"


def compare(flow, vector, got):
    """Compare every byte of every packet that came out with what is expected."""
    expected = {NEAR: [], FAR: []}
    for out in vector.expected:
        where = out.where(flow, vector.way)
        number = len(expected[where.place])
        seen = got[where.place][number] if number < len(got[where.place]) else None
        expected[where.place].append(out.shape.bytes(where, seen))
    for place, packets in expected.items():
        if got[place] != packets:
            raise AssertionError(f"at the {place}\n expected {_show(packets)}\n      got {_show(got[place])}")


def _show(packets):
    return "\n          ".join(_words(packet) for packet in packets) or "nothing"


def _words(packet):
    shown = packet[:120].hex(" ", 4)
    return shown if len(packet) <= 120 else f"{shown} ... ({len(packet)} bytes)"


__all__ = ["Lab", "Out"]
