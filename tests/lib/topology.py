# SPDX-License-Identifier: GPL-2.0
"""A client, a director and two real servers, each in a network namespace.

    client 172.16.0.1 --- 172.16.0.254 director 192.168.229.204 --- 192.168.229.1 rs1
                          VIP 10.0.96.204      local address    \\-- 192.168.229.2 rs2

The addresses are those of the DPVS how-to that people begin with. The director does not forward (ip_forward is 0):
FullNAT must not need it. Names end in the number of the process and a counter, so that two topologies with the same
addresses can live side by side.
"""

import contextlib
import itertools
import os

from .namespace import Namespace
from .namespace import run

CLIENT = "172.16.0.1"
DIRECTOR = "172.16.0.254"
VIP = "10.0.96.204"
LOCAL = "192.168.229.204"
SERVERS = ("192.168.229.1", "192.168.229.2")

_numbers = itertools.count(1)
_OFFLOADS = ("rx", "tx", "tso", "gso", "gro")
_DEFAULT = {"gro": "off"}


class Topology:
    """The four namespaces with their links, addresses and routes; nothing of IPVS."""

    def __init__(self):
        tag = f"{os.getpid()}-{next(_numbers)}"
        names = [f"{role}-{tag}" for role in ("client", "director", "rs1", "rs2")]
        client, director, *servers = names
        self._batch(f"netns add {name}" for name in names)
        links = [f"link add eth0 netns {client} type veth peer name wan netns {director}"]
        for number, server in enumerate(servers, 1):
            links.append(f"link add eth0 netns {server} type veth peer name lan{number} netns {director}")
        self.namespaces = [Namespace(name) for name in names]
        self.client, self.director, *self.servers = self.namespaces
        for namespace in self.namespaces:
            # Router solicitations and the like would only be noise in captures.
            namespace.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            namespace.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self._batch(links)
        self._address()

    @staticmethod
    def _batch(lines):
        run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def _address(self):
        self.client.ip(
            "link set lo up", "link set eth0 up",
            f"addr add {CLIENT}/24 dev eth0", f"route add default via {DIRECTOR}",
        )
        self.director.sysctl("net.ipv4.ip_forward", 0)
        self.director.ip(
            "link set lo up", "link set wan up", "link set lan1 up", "link set lan2 up",
            f"addr add {DIRECTOR}/24 dev wan", f"addr add {VIP}/32 dev lo", f"addr add {LOCAL}/32 dev lo",
            # An interface that loses its last address loses its routes; these keep theirs.
            "addr add 192.168.229.251/32 dev lan1", "addr add 192.168.229.252/32 dev lan2",
            f"route add {SERVERS[0]} dev lan1 src 192.168.229.251",
            f"route add {SERVERS[1]} dev lan2 src 192.168.229.252",
        )
        for server, address in zip(self.servers, SERVERS, strict=True):
            server.ip("link set lo up", "link set eth0 up", f"addr add {address}/24 dev eth0")

    def ends(self):
        """Every interface, with its namespace."""
        yield self.client, "eth0"
        for interface in ("wan", "lan1", "lan2"):
            yield self.director, interface
        for server in self.servers:
            yield server, "eth0"

    def offloads(self, state):
        """Switch checksum and segmentation offload "on" or "off" everywhere, or back to the "default"."""
        words = []
        for name in _OFFLOADS:
            words += [name, _DEFAULT.get(name, "on") if state == "default" else state]
        for namespace, interface in self.ends():
            namespace.run("ethtool", "-K", interface, *words)

    def serve(self, port=80):
        """Start the answering server on both real servers."""
        for server in self.servers:
            self.serve_on(server, port)

    def serve_on(self, server, port=80):
        """Start the answering server on one real server."""
        address = SERVERS[self.servers.index(server)]
        assert server.start("traffic", "serve", f"{address}:{port}").read_line() == "ready"

    def forget(self, namespace):
        """Delete one namespace now, whatever runs through it."""
        self.namespaces.remove(namespace)
        namespace.delete()

    def delete(self):
        """Take everything away."""
        while self.namespaces:
            self.forget(self.namespaces[-1])


@contextlib.contextmanager
def serving():
    """A topology with the answering server on both real servers, as long as the body runs."""
    made = Topology()
    try:
        made.serve()
        yield made
    finally:
        made.delete()
