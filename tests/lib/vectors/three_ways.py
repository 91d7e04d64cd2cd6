# SPDX-License-Identifier: GPL-2.0
"""A lab in which a packet can take each of the three ways: IPVS's hooks, the ingress hook, XDP.

To each side of the director lead two links, and the second one's end has XDP. A packet goes the way of the link by
which it comes in; all leave by the first links, bare or in a VLAN. So one flow's packet can be sent three times within
milliseconds, and what comes out has to be the same, frame by frame.
"""

import collections
import contextlib
import dataclasses
import select
import socket
import struct
import time

from lib import xdp
from lib.fast_path import SWITCH
from lib.fast_path import FastPath

from . import network
from . import seeded
from . import shapes
from .lab import Lab
from .network import FAR
from .network import NEAR
from .shapes import place_of

HOOKS, INGRESS, XDP = "hooks", "ingress", "xdp"
WAYS = (HOOKS, INGRESS, XDP)
# In frames behind the links of NEAR and FAR: hosts in VLANs.
CLIENTS = {4: "203.0.113.99", 6: "2001:db8::99"}
SERVERS = {4: "192.0.2.99", 6: "2001:db8:f::99"}
_MTU = 3000
_LINKS = {NEAR: ("near", "nearx"), FAR: ("far", "farx")}
_PACKET, _AUXDATA, _VNET_HDR = 263, 8, 15
_VLAN_VALID = 0x10
_OUTGOING = 4
_LIMIT = 5


@dataclasses.dataclass(frozen=True)
class Tagged(network.Kind):
    """A service of which the real server is in a VLAN."""

    @property
    def server(self):
        """The real server's address."""
        return SERVERS[self.far]


def kinds():
    """Those whose flows take the fast path: TCP and UDP, all families, bare and tagged."""
    for name in ("tcp4", "udp4", "tcp6", "udp6", "tcp64", "udp64", "tcp46", "udp46"):
        kind = network.KINDS[name]
        yield kind
        yield Tagged(f"{name}-tagged", kind.protocol, kind.near, kind.far, kind.vport + 100, kind.rport + 100)


class FrameTap:
    """A packet socket that sees frames whole, tags included, and sends what its card has to complete."""

    def __init__(self, namespace, interface, peer):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.out.setsockopt(_PACKET, _VNET_HDR, 1)
            self.socket.setsockopt(_PACKET, _AUXDATA, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            for one, protocol in ((self.socket, 3), (self.out, 0)):
                one.bind((interface, protocol))
        self.socket.setblocking(False)
        self.addresses = peer + self.socket.getsockname()[4]

    def send(self, frame):
        """Send a frame."""
        self.out.send(frame.virtio + self.addresses + frame.data)

    def read(self):
        """Every frame that has come so far, with its tag where it was."""
        while True:
            try:
                data, control, _, (_, _, direction, *_) = self.socket.recvmsg(1 << 17, 64)
            except BlockingIOError:
                return
            if direction == _OUTGOING:
                continue
            for _, _, about in control:
                status, *_, number, kind = struct.unpack_from("=IIIHHHH", about)
                if status & _VLAN_VALID:
                    data = data[:12] + struct.pack("!HH", kind, number) + data[12:]
            yield data

    def close(self):
        """Stop."""
        self.socket.close()
        self.out.close()


class ThreeWays(Lab):
    """The lab, with a second link to each side."""

    def __init__(self):
        super().__init__()
        self.path = FastPath(self.director)
        self.undo = contextlib.ExitStack()
        self.frames, self.pings = {}, 0
        self.director.sysctl("net.ipv4.conf.all.rp_filter", 0)
        for place, (first, second) in _LINKS.items():
            self._ip([f"link add {second} netns {self.director.name} type veth peer name {second} "
                      f"netns {self.ends.name}"])
            self._prepare(place, first, second)
        self.entry = {place: tap for place, tap in self.taps.items()}

    def _prepare(self, place, first, second):
        """MTUs, VLANs and neighbours; and that cards do nothing which a frame of XDP would not get."""
        tag, family_hosts = seeded.TAGS[place], CLIENTS if place == NEAR else SERVERS
        for link in (first, second):
            self.director.sysctl(f"net.ipv4.conf.{link}.rp_filter", 0)
            self.ends.ip(f"link set {link} up mtu {_MTU}")
            self.director.ip(
                f"link set {link} up mtu {_MTU}", f"link add {link}.{tag} link {link} type vlan id {tag}",
                f"link set {link}.{tag} up",
            )
            self.director.run("ethtool", "-K", link, "tx", "off", "tso", "off", "gso", "off", "txvlan", "off")
        mac = self.taps[place].mac.hex(":")
        for family, host in family_hosts.items():
            bits = 32 if family == 4 else 128
            own = network.DIRECTOR[place][family]
            self.director.ip(
                f"route add {host}/{bits} dev {first}.{tag} mtu lock 1500 src {own}",
                f"neigh replace {host} lladdr {mac} dev {first}.{tag} nud permanent",
            )
            # Errors come from the address of the link on which they are about a packet.
            self.director.ip(f"addr add {own}/{bits} dev {second}" + " nodad" * (family == 6))
        hosts = (network.CLIENT, network.ROUTER[NEAR]) if place == NEAR else (network.SERVER, network.ROUTER[FAR])
        for host in hosts:
            for family, bits in ((4, 32), (6, 128)):
                self.director.ip(f"route add {host[family]}/{bits} dev {first} mtu lock 1500")
        # With a program of its own, a link takes frames of XDP and merges nothing.
        self.undo.enter_context(xdp.foreign(self.ends, first))
        # Who sends to XDP over a virtual link has to complete its frames.
        self.ends.run("ethtool", "-K", second, "tx", "off", "tso", "off", "gso", "off")
        self.ends.run("ethtool", "-K", first, "gro", "off")
        peers = {}
        for link in (first, second):
            with self.director.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as inner:
                inner.bind((link, 0))
                peers[link] = inner.getsockname()[4]
        self.frames[place, HOOKS] = self.frames[place, INGRESS] = FrameTap(self.ends, first, peers[first])
        self.frames[place, XDP] = FrameTap(self.ends, second, peers[second])
        xdp.attach(self.director, second)

    def close(self):
        """Take everything away."""
        for _, second in _LINKS.values():
            self.director.run("rsipvsadm", "fastpath", "set", second, "off")
        self.undo.close()
        for tap in self.frames.values():
            tap.close()
        self.path.close()
        super().close()

    @contextlib.contextmanager
    def going(self, way):
        """What is sent goes this way."""
        self.director.sysctl(SWITCH, int(way != HOOKS))
        self.entry = {place: self.frames[place, way] for place in _LINKS}
        try:
            yield
        finally:
            self.director.sysctl(SWITCH, 1)

    def send(self, place, packet):
        """A packet of a vector, by the link of its way."""
        kind = struct.pack("!H", seeded.IPV4 if packet[0] >> 4 != 6 else seeded.IPV6)
        self.entry[place].send(seeded.Frame(kind + packet))

    def counted(self, way):
        """What the links of a way have counted: hits, detours, and of XDP by itself."""
        links = tuple(_LINKS[place][way == XDP] for place in _LINKS)
        # Pings come by the first link, and belong to no flow.
        hits = collections.Counter({("detour", "no-flow"): -self.pings * (way != XDP)})
        for counts in self.path.interfaces(lambda name: name.partition(".")[0] in links).values():
            hits["hits"] += counts.hits
            hits["xdp hits"] += counts.xdp_hits
            for what, reasons in (("detour", counts.detours), ("xdp", counts.xdp_detours)):
                for reason, count in reasons.items():
                    hits[what, reason] += count
        return hits

    # Many flows, and many vectors, at once.

    def open_all(self, vectors):
        """The flow of each vector, as far as its packets may take the fast path."""
        flows = []
        for vector in vectors:
            kind = vector.kind
            if kind.name not in self.kinds:
                self.director.run("rsipvsadm", "-R", input="\n".join(kind.rules()) + "\n")
                self.kinds.add(kind.name)
            self.ports += 1
            client = CLIENTS[kind.near] if vector.tagged[NEAR] else network.CLIENT[kind.near]
            flows.append(network.Flow(kind, self.ports, client=client))
        for _ in self._drain():
            pass
        openings = {protocol: _opening(protocol) for protocol in (network.TCP, network.UDP)}
        for number in range(max(map(len, openings.values()))):
            self._open_step(flows, vectors, openings, number)
        return flows

    def _open_step(self, flows, vectors, openings, number):
        """The packet with this number of every opening that has one."""
        expected = {NEAR: [], FAR: []}
        for flow, vector in zip(flows, vectors, strict=True):
            opening = openings[flow.kind.protocol]
            if number >= len(opening):
                continue
            way, shape = opening[number]
            place = place_of(way, sent=True)
            packet = self.opening(flow, number, way, shape)
            kind = struct.pack("!H", seeded.IPV4 if flow.family(place) == 4 else seeded.IPV6)
            if vector.tagged[place]:
                kind = struct.pack("!HH", seeded.VLAN, seeded.TAGS[place]) + kind
            self.frames[place, INGRESS].send(seeded.Frame(kind + packet))
            expected[place_of(way, sent=False)].append((flow, way))
        for place, waiting in expected.items():
            got = self._collect(place, len(waiting))
            for (flow, way), frame in zip(waiting, got, strict=True):
                if way == "request":
                    self.learn(flow, _behind_tag(frame))

    def _collect(self, place, count):
        """So many frames at a place."""
        tap, got = self.frames[place, INGRESS], []
        end = time.monotonic() + _LIMIT
        while True:
            got += [frame for frame in tap.read() if not _is_noise(frame)]
            if len(got) >= count:
                return got
            assert time.monotonic() < end, f"{len(got)} of {count} packets that open connections came to the {place}"
            select.select([tap.socket], [], [], 0.5)

    def _drain(self):
        for place in _LINKS:
            yield from self.frames[place, INGRESS].read()

    def all_out(self, way, frames):
        """Send frames, given with their places; what comes out at either place once all is done."""
        with self.going(way):
            for place, frame in frames:
                self.entry[place].send(frame)
            return self._settled()

    def _settled(self):
        """What has come out, once the director has answered a ping."""
        got = {NEAR: [], FAR: []}
        # What XDP forwards is sent at the end of a poll: the second ping comes behind it in any case.
        for _ in range(2):
            self.pings += self.director.sysctl(SWITCH) == "1"
            self.frames[NEAR, INGRESS].send(seeded.Frame(struct.pack("!H", seeded.IPV4) + self.ping))
            end = time.monotonic() + _LIMIT
            while not any(map(self._is_pong, got[NEAR])):
                assert time.monotonic() < end, "the director does not answer a ping"
                select.select([self.frames[NEAR, INGRESS].socket], [], [], 0.5)
                for place in _LINKS:
                    got[place] += [frame for frame in self.frames[place, INGRESS].read() if not _is_noise(frame)]
            got[NEAR] = [frame for frame in got[NEAR] if not self._is_pong(frame)]
        return got

    def _is_pong(self, frame):
        return frame[26:34] == self.pong and frame[34] == 0 and frame[38:42] == self.ping[24:28]


def _opening(protocol):
    """As in the lab, and for datagrams in both directions."""
    segment, datagram = shapes.Segment, shapes.Datagram
    if protocol == network.UDP:
        return ("request", datagram(b"?")), ("request", datagram(b"?")), ("reply", datagram(b"!"))
    return (
        ("request", segment("S")), ("reply", segment("SA")), ("request", segment("A")), ("reply", segment("PA", b"!")),
        ("request", segment("A", ack=network.SERVER_ISN + 2)),
    )


def _behind_tag(frame):
    """The packet in a frame."""
    return frame[18 if frame[12:14] == b"\x81\0" else 14:]


def _is_noise(frame):
    """What the director says on its own: neighbour discovery, multicast listener reports, ARP."""
    packet = _behind_tag(frame)
    kind = int.from_bytes(frame[16:18] if frame[12:14] == b"\x81\0" else frame[12:14])
    if kind == seeded.IPV4:
        return packet[9] == 2
    if kind != seeded.IPV6:
        return True
    at = 48 if packet[6] == 0 else 40
    number = packet[6] if at == 40 else packet[40]
    return number == 58 and (packet[at] in range(130, 138) or packet[at] == 143)


__all__ = ["Lab", "ThreeWays"]
