# SPDX-License-Identifier: GPL-2.0
"""200 MB over one TCP connection, half of them either way at once: that they arrive whole, and in how many packets the
director saw them.

Here the generator and the sink are hosts with a TCP of their own. They send frames of one segment each, with complete
checksums, as links between machines carry them. The director merges them (GRO), so that what comes behind XDP sees
super-packets.
"""

import json

from .counting import Count
from .flow import Wrong
from .network import MAC
from .network import SERVER
from .network import Network
from .setups import KINDS
from .setups import PORT

MEGABYTES = 200
_MEGABYTE = 1_000_000
_WARM = 5
_MSS = 1460
# How many packets must take the path that is measured; the others begin and end the connection, introduce the client,
# or tell IPVS.
_SHARE = 0.9
_LIMIT = 600


class Bulk:
    """Two hosts and the director of a set-up between them, with XDP at its interfaces or without."""

    def __init__(self, setup, in_xdp=False):
        self.setup, self.in_xdp = setup, in_xdp
        self.kind = KINDS["tcp4"]
        self.network = Network({4})
        setup.prepare(self.network, self.kind)
        self._populate()
        if in_xdp:
            self._fast_path("xdp")

    def _populate(self):
        network = self.network
        ends = (
            (network.gen, "g0", "10.9.0.2", "10.9.0.1", "l0", "s0"),
            (network.sink, "s0", SERVER[4], "10.2.0.1", "l1", "g0"),
        )
        for namespace, interface, address, router, beyond, far in ends:
            network.nft(namespace, f"delete table netdev drop-{interface}")
            # A director that redirects frames does not change their addresses either.
            link = MAC[far if self.setup.hops == 0 else beyond]
            namespace.ip("link set lo up", f"addr add {address}/24 dev {interface}",
                         f"neigh add {router} lladdr {link} dev {interface} nud permanent",
                         f"route add default via {router}")
            namespace.run("ethtool", "-K", interface, "gro", "on", "tx", "off", "tso", "off", "gso", "off")
            network.lb.run("ethtool", "-K", beyond, "gro", "on")
        serving = network.sink.start("traffic", "serve", f"{SERVER[4]}:{PORT}")
        if serving.read_line() != "ready":
            raise Wrong("no server to send to")

    def measure(self, floor=None):
        """What a megabyte takes on all machines, and what the director counted: packets by direction and by way."""
        self._move(_WARM)
        before = self._counted()
        seconds = self._move(MEGABYTES)
        packets = {what: now - before[what] for what, now in self._counted().items()}
        self._check(packets)
        nanoseconds = seconds * 1e9 / MEGABYTES
        return Count(nanoseconds, floor.total if floor else 0), packets

    def _move(self, megabytes):
        service = f"{self.setup.service(self.kind)}:{PORT}"
        size = megabytes * _MEGABYTE // 2
        done = self.network.gen.run("traffic", "bulk", service, "--up", size, "--down", size, code=None,
                                    timeout=_LIMIT)
        if done.returncode:
            raise Wrong(f"{self.setup.title}: {megabytes} MB did not arrive whole: {done.stdout}{done.stderr}")
        report = json.loads(done.stdout)
        sent, arrived = (report["up_hash"], report["down_hash_server"]), (report["up_hash_server"], report["down_hash"])
        if sent != arrived or sent[0] == sent[1]:
            raise Wrong(f"{self.setup.title}: other bytes arrived: {report}")
        return report["seconds"]

    def _counted(self):
        """Frames at the director's interfaces, and packets that its way has seen."""
        lb = self.network.lb
        counted = {}
        for way, interface in (("request", "l0"), ("reply", "l1")):
            link = json.loads(lb.run("ip", "-j", "-s", "link", "show", "dev", interface).stdout)[0]
            counted[f"{way}_frames"] = link["stats64"]["rx"]["packets"]
        if self.setup.name == "forward":
            # The kernel counts no directions here.
            return {**counted, "packets": lb.mib("IpForwDatagrams")}
        if self.setup.hops == 0:
            return counted
        # The sum below the rows is brought up to date every two seconds only.
        rows = lb.read("/proc/net/ip_vs_stats_percpu").partition("~")[0].splitlines()[2:-1]
        for way, column in (("request", 2), ("reply", 3)):
            counted[f"{way}_packets"] = sum(int(row.split()[column], 16) for row in rows)
        if self.setup.name in ("fullnat", "ingress"):
            rows = json.loads(lb.run("rsipvsadm", "fastpath", "--json").stdout)["interfaces"]
            for way, interface in (("request", "l0"), ("reply", "l1")):
                row = next(row for row in rows if row["interface"] == interface)
                counted |= {f"{way}_hits": row["hits"], f"{way}_xdp_hits": row["xdp_hits"]}
        return counted

    def _check(self, packets):
        """Fail unless nearly all packets took the way that this row is about."""
        for way in ("request", "reply"):
            least = packets.get(f"{way}_packets", 0) * _SHARE
            for what, wanted in ((f"{way}_hits", self.setup.is_fast), (f"{way}_xdp_hits", self.in_xdp)):
                hits = packets.get(what, 0)
                if hits < least if wanted else hits:
                    raise Wrong(f"{self.setup.title}: {packets}")
            if packets[f"{way}_frames"] * _MSS < MEGABYTES * _MEGABYTE // 2:
                raise Wrong(f"{self.setup.title}: {packets}, though segments were to come one by one")

    def _fast_path(self, mode):
        for interface in ("l0", "l1"):
            self.network.lb.run("rsipvsadm", "fastpath", "set", interface, mode)

    def close(self):
        """Take everything away; a program of XDP would hold the module."""
        if self.in_xdp:
            self._fast_path("ingress")
        self.network.delete()
