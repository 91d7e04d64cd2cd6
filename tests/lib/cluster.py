# SPDX-License-Identifier: GPL-2.0
"""A client, a director and a real server that are machines, joined by real network cards.

    client 172.16.0.1 --- 172.16.0.254 director 192.168.229.251 --- 192.168.229.1 server
                          VIP 10.0.96.204      local address

The addresses are those of lib.topology and lib.six, so that lib.cells holds here, too. Every model of card has wires of
its own; the addresses move from one to the next. With one arm both subnets are on one wire.
"""

import dataclasses
import json
import re
from pathlib import Path

from .cells import CELLS
from .cells import Cell
from .remote import Here
from .remote import Machine
from .six import CLIENT6
from .six import DIRECTOR6
from .six import LAN6
from .six import LOCAL6
from .six import SERVER6
from .six import VIP6
from .topology import CLIENT
from .topology import DIRECTOR
from .topology import LOCAL
from .topology import SERVERS
from .topology import VIP
from .waiting import wait_until

SERVER = SERVERS[0]
LAN = "192.168.229.251"
DRIVERS = {"virtio": "virtio_net", "virtio-mq": "virtio_net", "one-arm": "virtio_net", "e1000e": "e1000e", "igb": "igb"}

# Cards whose driver runs XDP programs itself.
NATIVE = ("virtio", "virtio-mq", "one-arm", "igb")

# How the director takes packets of established connections off a card: the value of fullnat_fastpath, and what the card
# is told. A further mode is a line here; every test then runs in it, too.
MODES = {"hook": (0, "auto"), "ingress": (1, "ingress"), "xdp": (1, "xdp")}


@dataclasses.dataclass(frozen=True)
class Served(Cell):
    """A pair of families with the port of its services."""

    port: int

    @property
    def seen(self):
        """What a program on the server, which has toa, is told of its client."""
        # An IPv4 socket has no room for an IPv6 client; an IPv6 socket has its own way to write an IPv4 client.
        return {"64": self.local, "46": f"::ffff:{self.client}"}.get(self.name, self.client)


SERVED = {
    name: Served(**dataclasses.asdict(cell), port=port) for port, (name, cell) in enumerate(CELLS.items(), 100)
}


def cards():
    """The models of cards that this cluster has been booted with."""
    words = Path("/proc/cmdline").read_text(encoding="ascii")
    return re.findall(r"rsipvs\.nic=([^/]+)/", words)


class Cluster:
    """The three machines. The director does not forward (ip_forward is 0): FullNAT must not need it."""

    def __init__(self):
        self.client = Here()
        self.director = Machine("director")
        self.server = Machine("server")
        self.card = None
        self.mode = "ingress"
        for host in self.hosts:
            host.sysctl("net.ipv6.conf.default.accept_dad", 0)
            host.sysctl("net.ipv6.conf.default.accept_ra", 0)
            host.sysctl("net.ipv6.conf.all.keep_addr_on_down", 1)
        here = self.director.here
        here.run("modprobe", "ip_vs_fullnat")
        here.sysctl("net.ipv4.ip_forward", 0)
        here.ip(
            f"addr add {VIP}/32 dev lo", f"addr add {LOCAL}/32 dev lo",
            f"addr add {VIP6}/128 dev lo", f"addr add {LOCAL6}/128 dev lo",
        )
        self.server.here.run("modprobe", "toa")

    @property
    def hosts(self):
        """The client, the director's and the server's Here."""
        return self.client, self.director.here, self.server.here

    def ends(self):
        """Every interface in use, with its machine."""
        arms = [(self.director.here, arm) for arm in self.arms]
        return [(self.client, self.card), *arms, (self.server.here, self.card)]

    @property
    def arms(self):
        """The director's interfaces in use, towards the client and towards the server."""
        return (self.card,) if self.card == "one-arm" else (f"{self.card}-wan", f"{self.card}-lan")

    def wire(self, card):
        """Put all addresses onto the wires of one model of card."""
        if self.card:
            for host, interface in self.ends():
                host.ip(f"addr flush dev {interface}", f"link set {interface} down")
        self.card = card
        wan, lan = self.arms[0], self.arms[-1]
        self.client.ip(
            f"link set {card} up mtu 1500",
            f"addr add {CLIENT}/24 dev {card}", f"addr add {CLIENT6}/64 dev {card} nodad",
            f"route add default via {DIRECTOR} dev {card}", f"route add default via {DIRECTOR6} dev {card}",
        )
        self.director.here.ip(
            *(f"link set {arm} up mtu 1500" for arm in self.arms),
            f"addr add {DIRECTOR}/24 dev {wan}", f"addr add {DIRECTOR6}/64 dev {wan} nodad",
            f"addr add {LAN}/24 dev {lan}", f"addr add {LAN6}/64 dev {lan} nodad",
        )
        self.server.here.ip(
            f"link set {card} up mtu 1500",
            f"addr add {SERVER}/24 dev {card}", f"addr add {SERVER6}/64 dev {card} nodad",
            f"route add {LOCAL}/32 via {LAN} dev {card}", f"route add {LOCAL6}/128 via {LAN6} dev {card}",
        )
        self.offloads("on")
        self.wait_for_carriers()
        for address in (SERVER, f"[{SERVER6}]"):
            assert self.server.here.start("traffic", "serve", f"{address}:80").read_line() == "ready"

    def wait_for_carriers(self):
        """Wait until every card that is in use has a link."""
        for host, interface in self.ends():
            path = f"/sys/class/net/{interface}/carrier"
            wait_until(lambda host=host, path=path: host.read(path) == "1\n", f"a carrier at {interface}")

    def serve(self):
        """Make FullNAT services of every pair of families, TCP and UDP, and no other, in the director's mode."""
        adm = self.director.adm
        switch, wish = MODES[self.mode]
        self.director.here.sysctl("net.ipv4.vs.fullnat_fastpath", switch)
        adm.clear()
        self.fast_path(wish if self.card in NATIVE else "ingress")
        for cell in SERVED.values():
            adm.restore([rule for kind in ("-t", "-u") for rule in cell.rules(kind, cell.port, rport=80)])

    def fast_path(self, wish):
        """Say what fast path the cards in use are to have."""
        for arm in self.arms:
            self.director.adm.adm("fastpath", "set", arm, wish)

    def interfaces(self):
        """What rsipvsadm says of the fast path at each of the director's cards."""
        rows = json.loads(self.director.adm.adm("fastpath", "--json"))["interfaces"]
        return {row["interface"]: row for row in rows}

    def hits(self, key="hits"):
        """Packets that have passed the director by a fast path; with "xdp_hits", those of XDP."""
        return sum(row[key] for row in self.interfaces().values())

    def unwire(self):
        """Stop what runs, before the next model."""
        self.fast_path("off")
        for host in self.hosts:
            host.stop_programs()

    def offloads(self, state):
        """Switch checksums and segmentation of the cards "on" or "off", with GRO, as far as each card can."""
        words = [word for name in ("rx", "tx", "sg", "tso", "gso", "gro") for word in (name, state)]
        for host, interface in self.ends():
            # What a card has fixed stays as it is, and ethtool says so.
            host.run("ethtool", "-K", interface, *words, code=None)

    def mtu(self, value, ends=None):
        """Set the MTU of interfaces."""
        for host, interface in ends or self.ends():
            host.ip(f"link set {interface} mtu {value}")
