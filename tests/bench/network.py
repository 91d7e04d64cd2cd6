# SPDX-License-Identifier: GPL-2.0
"""The benchmark's machines: a generator, a director and a sink, each in a namespace, new for every set-up.

    gen g0 --- l0 lb l1 --- s0 sink
    clients 10.1.0.0/16 behind the router 10.9.0.2     server 10.2.0.2
    VIP 10.3.0.100, local addresses 10.4.0.1 to 10.4.0.20, and the same with IPv6 below 2001:db8::/32

Neither gen nor sink has a stack that takes part: what comes to them is counted and dropped by nft at the ingress hook,
where packet sockets have seen it already. Frames are sent from packet sockets, one send(2) each: on one processor the
packet has gone all its way, soft interrupts included, when send() returns.
"""

import itertools
import json
import re
import socket
import struct
import typing

from lib.namespace import Namespace
from lib.namespace import run

CLIENTS = {4: "10.1.0.0/16", 6: "2001:db8:1::/64"}
CLIENT = {4: "10.1.0.2", 6: "2001:db8:1::2"}
VIP = {4: "10.3.0.100", 6: "2001:db8:3::100"}
SERVER = {4: "10.2.0.2", 6: "2001:db8:2::2"}
INSIDE = {4: "10.2.0.1", 6: "2001:db8:2::1"}
LOCAL = {4: [f"10.4.0.{n}" for n in range(1, 21)], 6: ["2001:db8:4::1"]}
_OUTSIDE = {4: "10.9.0.1", 6: "2001:db8:9::1"}
_ROUTER = {4: "10.9.0.2", 6: "2001:db8:9::2"}
_BITS = {4: 32, 6: 128}
MAC = {"g0": "02:00:00:00:01:02", "l0": "02:00:00:00:01:01", "l1": "02:00:00:00:02:01", "s0": "02:00:00:00:02:02"}

_ETH_P_ALL, _IGNORE_OUTGOING, _PACKET, _RCVBUFFORCE = 3, 23, 263, 33
_PATIENCE = 2  # Seconds.
# No hook has a lower priority; of two that are alike, the younger one is first.
_LAST = (1 << 31) - 1
_numbers = itertools.count(1)


def mac(name):
    """The bytes of an interface's Ethernet address."""
    return bytes.fromhex(MAC[name].replace(":", ""))


class Passages(typing.NamedTuple):
    """Packets at an interface, by what its fast path has done with them."""

    hits: int
    misses: int
    refreshes: int
    others: int

    def since(self, before):
        """What has come since."""
        return Passages(*(now - then for now, then in zip(self, before, strict=True)))


class Network:
    """Three namespaces with links, addresses, routes and neighbours that never have to be asked for."""

    def __init__(self, families):
        """`families` are those that the director speaks: another would only send packets of its own."""
        number = next(_numbers)
        names = [f"{role}-{number}" for role in ("gen", "lb", "sink")]
        self._batch(f"netns add {name}" for name in names)
        self.gen, self.lb, self.sink = (Namespace(name) for name in names)
        self._batch((
            f"link add g0 netns {names[0]} type veth peer name l0 netns {names[1]}",
            f"link add l1 netns {names[1]} type veth peer name s0 netns {names[2]}",
        ))
        for namespace in (self.gen, self.sink):
            namespace.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            namespace.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self.lb.sysctl("net.ipv6.conf.default.disable_ipv6", int(6 not in families))
        for name in ("accept_ra", "accept_dad", "router_solicitations"):
            self.lb.sysctl(f"net.ipv6.conf.default.{name}", 0)
        self.lb.sysctl("net.ipv4.ip_forward", 1)
        self.lb.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.lb.sysctl("net.ipv4.conf.all.rp_filter", 0)
        self.lb.sysctl("net.ipv4.conf.default.rp_filter", 0)
        self.gen.ip(f"link set g0 address {MAC['g0']}", "link set g0 up")
        self.sink.ip(f"link set s0 address {MAC['s0']}", "link set s0 up")
        self._address(families)
        self.drop(self.gen, "g0")
        self.drop(self.sink, "s0")

    @staticmethod
    def _batch(lines):
        run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def _address(self, families):
        lines = ["link set lo up", *(f"link set {name} address {MAC[name]}" for name in ("l0", "l1"))]
        lines += ["link set l0 up", "link set l1 up"]
        for family in families:
            bits = _BITS[family]
            link = 24 if family == 4 else 64
            lines += [
                f"addr add {_OUTSIDE[family]}/{link} dev l0", f"addr add {INSIDE[family]}/{link} dev l1",
                f"addr add {VIP[family]}/{bits} dev lo", *(f"addr add {a}/{bits} dev lo" for a in LOCAL[family]),
                f"neigh add {_ROUTER[family]} lladdr {MAC['g0']} dev l0 nud permanent",
                f"neigh add {SERVER[family]} lladdr {MAC['s0']} dev l1 nud permanent",
                f"route add {CLIENTS[family]} via {_ROUTER[family]} dev l0",
            ]
        self.lb.ip(*lines)

    def drop(self, namespace, interface, priority=-100):
        """Count and drop whatever comes in at an interface."""
        self.nft(namespace, f"table netdev drop-{interface} {{ chain c {{ "
                 f"type filter hook ingress device {interface} priority {priority}; counter drop; }}; }}")

    def drop_behind(self, interface):
        """Count and drop what the fast path of an interface of the director has seen and left."""
        self.lb.run("rsipvsadm", "fastpath", "set", interface, "off")
        self.drop(self.lb, interface, _LAST)
        self.lb.run("rsipvsadm", "fastpath", "set", interface, "ingress")

    def passages(self, interface):
        """What the fast path of an interface of the director has counted: hits, misses, refreshes, other detours."""
        rows = json.loads(self.lb.run("rsipvsadm", "fastpath", "--json").stdout)["interfaces"]
        row = next(row for row in rows if row["interface"] == interface)
        others = sum(count for why, count in row["detours"].items() if why not in ("no-flow", "refresh"))
        return Passages(row["hits"], row["misses"], row["detours"].get("refresh", 0), others)

    def pass_on(self, interface):
        """Undo drop() on an interface of the director."""
        self.nft(self.lb, f"delete table netdev drop-{interface}")

    @staticmethod
    def nft(namespace, rules):
        """Carry out nftables commands."""
        namespace.run("nft", "-f", "-", input=rules)

    @staticmethod
    def dropped(namespace, interface):
        """How many packets were dropped there."""
        return int(re.search(r"packets (\d+)", namespace.run("nft", "list", "table", "netdev",
                                                             f"drop-{interface}").stdout)[1])

    def delete(self):
        """Take everything away."""
        for namespace in (self.gen, self.lb, self.sink):
            namespace.delete()


class Sender:
    """Sends frames out of an interface and sees nothing."""

    def __init__(self, namespace, interface):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.bind((interface, 0))
        self.send = self.socket.send

    def close(self):
        """Stop."""
        self.socket.close()


class Tap:
    """Sees the frames that come in at an interface. One that is open costs instructions: none is while packets are
    counted."""

    def __init__(self, namespace, interface):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(_PACKET, _IGNORE_OUTGOING, 1)
        self.socket.bind((interface, _ETH_P_ALL))
        # A blocking socket with a limit, set where it costs no system call: nearly always the frame is there.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE, 0))
        self.receive = self.socket.recv

    def read(self):
        """The TCP and UDP packets that have come so far, without their Ethernet headers."""
        packets = []
        while True:
            try:
                frame = self.receive(2048, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return packets
            protocol = {b"\x08\x00": frame[23], b"\x86\xdd": frame[20]}.get(frame[12:14])
            if protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                packets.append(frame[14:])

    def close(self):
        """Stop."""
        self.socket.close()
