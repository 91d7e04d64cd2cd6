# SPDX-License-Identifier: GPL-2.0
"""A director between two packet sockets, for both families at once.

    clients 198.51.100.0/24 ---near--- director ---far--- raw servers 10.9.1.0/24
            2001:db8:100::/64     VIPs, local addresses     fd09:1::/64
                                                            the kernel's server 10.9.0.1, fd09::1

Everything is sent by one thread on one processor, so the director deals with packets in the order in which they are
sent: when it has answered a ping, all that was to come of what was sent before has come.
"""

import itertools
import os
import select
import socket
import struct
import time

from . import ip
from . import netlink
from .namespace import Failed
from .namespace import Namespace
from .namespace import run

# One address of each kind and family; `numbered` has more.
CLIENT = {4: "198.51.100.9", 6: "2001:db8:100::9"}
VIP = {4: "203.0.113.80", 6: "2001:db8:80::80"}
LOCAL = {4: "10.9.2.200", 6: "fd09:2::200"}
SERVER = {4: "10.9.1.9", 6: "fd09:1::9"}
KERNEL = {4: "10.9.0.1", 6: "fd09::1"}

_NEAR = {
    4: ("172.31.0.254/24", "172.31.0.1", "198.51.100.0/24"), 6: ("fd00:1::254/64", "fd00:1::1", "2001:db8:100::/64"),
}
_FAR = {4: ("10.9.0.254/24", "10.9.0.1", "10.9.1.0/24"), 6: ("fd09::254/64", "fd09::1", "fd09:1::/64")}
_LOCALS = {4: "10.9.2.0/24", 6: "fd09:2::/64"}
_OUTGOING = 4
_NOISE = {*range(130, 138), 143}  # Neighbour discovery and multicast listeners.
_COUNTER_GET = 5
_numbers = itertools.count(1)


def numbered(kind, family, number):
    """Another address of a kind: CLIENT, VIP, LOCAL or SERVER with another last part."""
    address = kind[family]
    separator = "." if family == 4 else "::"
    return address[:address.rindex(separator) + len(separator)] + str(number)


class Tap:
    """A packet socket on the outer end of a link of the director."""

    def __init__(self, namespace, interface):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((interface, 3))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]
        self.peer = None
        self.waiting = []

    def send(self, packet):
        """Send a packet to the director."""
        kind = struct.pack("!H", ip.ETHERTYPE[ip.family(packet.source)])
        self.socket.send(self.peer + self.mac + kind + packet.build())

    def read(self):
        """Every packet that has come so far."""
        came, self.waiting = self.waiting, []
        while True:
            try:
                frame, (_, kind, direction, *_) = self.socket.recvfrom(1 << 17)
            except BlockingIOError:
                return came
            if direction == _OUTGOING or kind not in ip.ETHERTYPE.values():
                continue
            noise = kind == ip.ETHERTYPE[6] and frame[20] in (0, 58) and frame[54 if frame[20] else 62] in _NOISE
            if not noise:
                came.append(ip.Packet.parse(frame[14:]))

    def next(self, wanted, what, timeout=3.0):
        """The next packet for which wanted(packet) is true; earlier ones are dropped, later ones kept."""
        end = time.monotonic() + timeout
        passed = []
        while True:
            came = self.read()
            for number, packet in enumerate(came):
                if wanted(packet):
                    self.waiting = came[number + 1:]
                    return packet
                passed.append(packet)
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"no {what} within {timeout:g} s; passed over: {passed}")
            select.select([self.socket], [], [], left)


class Ends:
    """The namespaces, their links and addresses."""

    def __init__(self):
        tag = f"{os.getpid()}-{next(_numbers)}"
        names = [f"{role}-{tag}" for role in ("ends-director", "ends-near", "ends-far")]
        self._ip(f"netns add {name}" for name in names)
        self.director, near, self.server = self.namespaces = [Namespace(name) for name in names]
        self.affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(self.affinity)})
        near.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        for namespace in (self.director, self.server):
            namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)
        for name in ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"):
            self.director.sysctl(name, 0)
        self._ip([
            f"link add near netns {names[0]} type veth peer name near netns {names[1]}",
            f"link add far netns {names[0]} type veth peer name far netns {names[2]}",
        ])
        near.ip("link set near up")
        self.server.ip("link set lo up", "link set far up")
        # What kernels send of their own must be whole: nobody completes the checksums.
        for namespace, links in ((self.server, ("far",)), (self.director, ("near", "far"))):
            for link in links:
                namespace.run("ethtool", "-K", link, "tx", "off", "tso", "off", "gso", "off")
        self.near, self.far = Tap(near, "near"), Tap(self.server, "far")
        self._address()
        self.counting = netlink.Family(self.director, "IPVS_FLOW")
        self.pings = 0

    @staticmethod
    def _ip(lines):
        run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def _address(self):
        lines, servers = ["link set lo up", "link set near up", "link set far up"], []
        for family, bits in ((4, 32), (6, 128)):
            nodad = "" if family == 4 else " nodad"
            for link, tap, (own, gateway, net) in (("near", self.near, _NEAR[family]), ("far", self.far, _FAR[family])):
                lines += [
                    f"addr add {own} dev {link}{nodad}",
                    f"neigh replace {gateway} lladdr {tap.mac.hex(':')} dev {link} nud permanent",
                    f"route add {net} via {gateway} dev {link}",
                ]
            lines += [f"addr add {address}/{bits} dev lo{nodad}" for address in (VIP[family], LOCAL[family])]
            servers += [f"addr add {KERNEL[family]}/{_FAR[family][0].partition('/')[2]} dev far{nodad}"]
        self.director.ip(*lines)
        for link, tap in (("near", self.near), ("far", self.far)):
            with self.director.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as inner:
                inner.bind((link, 0))
                tap.peer = inner.getsockname()[4]
        for family in (4, 6):
            director = _FAR[family][0].partition("/")[0]
            servers += [
                f"neigh replace {director} lladdr {self.far.peer.hex(':')} dev far nud permanent",
                f"route add {_LOCALS[family]} via {director} dev far",
                # The kernel has no business with what is for the raw servers.
                f"route add blackhole {_FAR[family][2]}",
            ]
        self.server.ip(*servers)

    def settle(self):
        """Wait until the director has dealt with everything sent before, and drop nothing of what came of it."""
        self.pings += 1
        mark = struct.pack("!HH", 0xF00D, self.pings & 0xFFFF)
        came, end = self.near.read(), time.monotonic() + 5
        self.near.send(ip.echo(CLIENT[4], VIP[4], mark))
        while True:
            answers = [packet for packet in came if ip.is_echo_reply(packet, mark)]
            if answers:
                came.remove(answers[0])
                self.near.waiting = came
                return
            if time.monotonic() > end:
                raise Failed("the director does not answer a ping")
            select.select([self.near.socket], [], [], 0.5)
            came += self.near.read()

    def counters(self):
        """Every counter of the director by name."""
        messages = self.counting.ask(_COUNTER_GET, dump=True).messages
        pairs = (netlink.parse(message[4]) for message in messages)
        return {pair[1].rstrip(b"\0").decode(): struct.unpack("=Q", pair[2])[0] for pair in pairs}

    def delete(self):
        """Take everything away."""
        os.sched_setaffinity(0, self.affinity)
        self.counting.close()
        for tap in (self.near, self.far):
            tap.socket.close()
        while self.namespaces:
            self.namespaces.pop().delete()
