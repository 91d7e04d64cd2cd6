# SPDX-License-Identifier: GPL-2.0
"""What is compared: each set-up prepares a director, and says what a packet must look like behind it."""

import dataclasses
import socket
from collections.abc import Callable

from .network import INSIDE
from .network import LOCAL
from .network import SERVER
from .network import VIP

PORT = 9000
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP


@dataclasses.dataclass(frozen=True)
class Kind:
    """A protocol, and the families of both sides."""

    name: str
    protocol: int
    near: int
    far: int


KINDS = {
    kind.name: kind
    for kind in (Kind("udp4", UDP, 4, 4), Kind("tcp4", TCP, 4, 4), Kind("udp6", UDP, 6, 6), Kind("nat64", UDP, 6, 4))
}


def _nothing(_network, _kind):
    """A router needs nothing but its routes."""


def _wire(network, _kind):
    """Frames go on as they are: what a connection costs that meets no forwarding at all."""
    for device, other in (("l0", "l1"), ("l1", "l0")):
        network.nft(network.lb, f'table netdev wire-{device} {{ chain c {{ type filter hook ingress device {device} '
                    f'priority 0; fwd to "{other}"; }}; }}')


def _restore(network, tool, lines):
    network.lb.run(tool, "-R", input="\n".join(lines) + "\n")


def _endpoint(address):
    return f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"


def _service(kind):
    return f"{'-t' if kind.protocol == TCP else '-u'} {_endpoint(VIP[kind.near])}"


def _ipvs(network, kind):
    service = _service(kind)
    _restore(network, "ipvsadm", [f"-A {service} -s rr", f"-a {service} -r {_endpoint(SERVER[kind.far])} -m"])


def _conntrack(network):
    # As after a network card that has verified checksums; a packet socket's frames say nothing about them.
    network.lb.sysctl("net.netfilter.nf_conntrack_checksum", 0)


def _ipvs_masquerade(network, kind):
    _ipvs(network, kind)
    network.lb.sysctl("net.ipv4.vs.conntrack", 1)
    network.nft(network.lb, 'table ip m { chain p { type nat hook postrouting priority 100; oifname "l1" masquerade; };'
                ' }')
    _conntrack(network)


def _nft(network, _kind):
    network.nft(network.lb, f"""table ip n {{
        chain p {{ type nat hook prerouting priority -100; ip daddr {VIP[4]} udp dport {PORT} dnat to {SERVER[4]}; }}
        chain q {{ type nat hook postrouting priority 100; oifname "l1" masquerade; }}
    }}""")
    _conntrack(network)


def _flowtable(network, kind):
    _nft(network, kind)
    network.nft(network.lb, """table inet f {
        flowtable ft { hook ingress priority 0; devices = { l0, l1 }; }
        chain c { type filter hook forward priority 0; meta l4proto { tcp, udp } flow add @ft; }
    }""")


def _fullnat(network, kind):
    service = _service(kind)
    _restore(network, "rsipvsadm", [
        f"-A {service} -s rr", *(f"-P {service} -z {address}" for address in LOCAL[kind.far]),
        f"-a {service} -r {_endpoint(SERVER[kind.far])} -b",
    ])


def _hooks(network, kind):
    _fullnat(network, kind)
    # The sysctl would leave the fast path's hook at the devices, for every packet to ask it.
    network.lb.run("rsipvsadm", "fastpath", "set", "all", "off")


@dataclasses.dataclass(frozen=True)
class Setup:
    """A way to forward. `sources` are the addresses the server may see; empty means the client's own. `is_fast`:
    packets of flows pass the IP layer by."""

    name: str
    title: str
    prepare: Callable
    to_vip: bool = True
    sources: dict = dataclasses.field(default_factory=dict)
    hops: int = 1
    is_fast: bool = False

    def service(self, kind):
        """Where clients send to."""
        return (VIP if self.to_vip else SERVER)[kind.near]


_INSIDE = {family: [address] for family, address in INSIDE.items()}
SETUPS = {
    setup.name: setup
    for setup in (
        Setup("wire", "redirected at ingress, unchanged", _wire, hops=0, to_vip=False),
        Setup("forward", "ip_forward", _nothing, to_vip=False),
        Setup("nft", "nft dnat + masquerade", _nft, sources=_INSIDE),
        Setup("flowtable", "nft dnat + masquerade, flowtable", _flowtable, sources=_INSIDE),
        Setup("ipvs", "IPVS NAT", _ipvs),
        Setup("ipvs-masquerade", "IPVS NAT + conntrack + masquerade", _ipvs_masquerade, sources=_INSIDE),
        Setup("fullnat", "FullNAT by hooks", _hooks, sources=LOCAL),
        Setup("ingress", "FullNAT at ingress", _fullnat, sources=LOCAL, is_fast=True),
    )
}
MODULES = ("veth", "pktgen", "ip_vs", "ip_vs_rr", "nf_conntrack", "nft_masq", "nft_nat", "nft_flow_offload",
           "nf_flow_table_inet", "nft_fwd_netdev")
