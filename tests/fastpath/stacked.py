# SPDX-License-Identifier: GPL-2.0
"""Interfaces on others, and both sides on one: each packet is translated once, where the IP layer would see it."""

import contextlib

import pytest

from lib.fast_path import pulse
from lib.fast_path import transfer
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.topology import serving
from lib.wire import Tap

UDP = 17
INGRESS = 1


@pytest.fixture
def topology():
    """A topology for each test: what these do to it is not undone."""
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def one_server(topology, director):
    """The director with a service over one real server."""
    director.restore(director.rules("-t", 80, SERVERS[:1]) + director.rules("-u", 80, SERVERS[:1]))


@contextlib.contextmanager
def each_packet_once(topology, server_interface="eth0", client_interface="eth0"):
    """In the body each datagram gets to the other end once, and with the addresses it should have there."""
    far, near = Tap(topology.servers[0], server_interface), Tap(topology.client, client_interface)
    try:
        yield
        for tap, source, destination in ((far, LOCAL, SERVERS[0]), (near, VIP, CLIENT)):
            came = [packet for packet in tap.read() if packet.protocol == UDP]
            ends = {(packet.source, packet.destination) for packet in came}
            assert ends == {(source, destination)}
            data = [packet.udp.data for packet in came]
            assert len(data) > 20
            assert len(data) == len(set(data)), "a datagram came twice"
    finally:
        far.close()
        near.close()


def reach_server_by(name):
    """What makes an interface the one of the server."""
    return (
        f"link set {name} up", f"addr replace 192.168.229.251/32 dev {name}",
        f"route replace {SERVERS[0]} dev {name} src 192.168.229.251",
    )


def is_the_bridges(path, port, upper):
    """The port has no fast path, and what is above has one."""
    now = path.interfaces()
    assert (now[port].mode, now[upper].mode) == (0, INGRESS)


def test_the_port_of_a_bridge_leaves_packets_to_the_bridge(topology, path):
    director = topology.director
    with each_packet_once(topology), pulse(topology, path, "lan1"):
        director.ip("link add br0 type bridge", "link set lan1 master br0", *reach_server_by("br0"))
        path.grows("br0")
        path.grows("wan")
        is_the_bridges(path, "lan1", "br0")
        director.ip("link set lan1 nomaster", f"route replace {SERVERS[0]} dev lan1 src 192.168.229.251")
        path.grows("lan1")
        path.grows("wan")
    with transfer(topology, path, 5, by=("lan1",)):
        director.ip("link del br0")


def test_two_ports_of_one_bridge(topology, path):
    director = topology.director
    director.ip(
        "link add br0 type bridge", "link set lan1 master br0", "link set wan master br0", *reach_server_by("br0"),
        "addr flush dev wan", "addr add 172.16.0.254/24 dev br0",
    )
    topology.client.ip("neigh flush dev eth0")
    with each_packet_once(topology), pulse(topology, path, "br0", lost=2):
        path.grows("br0")
    is_the_bridges(path, "lan1", "br0")
    is_the_bridges(path, "wan", "br0")
    with transfer(topology, path, 5, by=("br0",)):
        pass


@pytest.mark.parametrize("mode", ["active-backup", "balance-rr", "balance-xor"])
def test_the_ports_of_a_bond_leave_packets_to_the_bond(topology, path, mode):
    director = topology.director
    with each_packet_once(topology), pulse(topology, path, "lan1"):
        director.ip(
            f"link add bond0 type bond mode {mode} miimon 50", "link set lan1 down", "link set lan1 master bond0",
            *reach_server_by("bond0"),
        )
        path.grows("bond0")
        path.grows("wan")
        is_the_bridges(path, "lan1", "bond0")
    with transfer(topology, path, 5, by=("bond0",)):
        pass
    with pulse(topology, path, "bond0"):
        director.ip("link del bond0", "link set lan1 up", *reach_server_by("lan1")[1:])
        path.grows("lan1")


@pytest.mark.parametrize("offload", ["on", "off"])
def test_the_tag_of_a_vlan_is_taken_off_and_put_on(topology, path, offload):
    director, server = topology.director, topology.servers[0]
    for namespace, interface in ((director, "lan1"), (server, "eth0")):
        namespace.run("ethtool", "-K", interface, "txvlan", offload)
    server.ip(
        "link add link eth0 name eth0.7 type vlan id 7", "link set eth0.7 up", f"addr del {SERVERS[0]}/24 dev eth0",
        f"addr add {SERVERS[0]}/24 dev eth0.7",
    )
    director.ip("link add link lan1 name lan1.7 type vlan id 7", *reach_server_by("lan1.7"))
    with each_packet_once(topology, "eth0.7"), pulse(topology, path, "lan1.7", lost=2):
        path.grows("wan")
    with transfer(topology, path, 5, by=("lan1.7", "wan")):
        pass
    assert path.hits("lan1") == 0
    with pulse(topology, path, "lan1.7"):
        director.ip("link del lan1.7")
        hits = path.hits()
    assert path.hits() <= hits + 2


def test_the_tag_on_the_clients_side(topology, path):
    director, client = topology.director, topology.client
    client.ip(
        "link add link eth0 name eth0.7 type vlan id 7", "addr flush dev eth0", "link set eth0.7 up",
        f"addr add {CLIENT}/24 dev eth0.7", "route replace default via 172.16.0.254",
    )
    director.ip(
        "link add link wan name wan.7 type vlan id 7", "addr flush dev wan", "link set wan.7 up",
        "addr add 172.16.0.254/24 dev wan.7",
    )
    with each_packet_once(topology, client_interface="eth0.7"), pulse(topology, path, "wan.7", lost=2):
        path.grows("lan1")
    assert path.hits("wan") == 0
    with transfer(topology, path, 5, by=("wan.7",)):
        pass


def test_a_vlan_on_a_bond(topology, path):
    director, server = topology.director, topology.servers[0]
    server.ip(
        "link add link eth0 name eth0.7 type vlan id 7", "link set eth0.7 up", f"addr del {SERVERS[0]}/24 dev eth0",
        f"addr add {SERVERS[0]}/24 dev eth0.7",
    )
    director.ip(
        "link add bond0 type bond mode active-backup miimon 50", "link set lan1 down", "link set lan1 master bond0",
        "link set bond0 up", "link add link bond0 name bond0.7 type vlan id 7", *reach_server_by("bond0.7"),
    )
    with each_packet_once(topology, "eth0.7"), pulse(topology, path, "bond0.7"):
        path.grows("wan")
    assert path.hits("bond0") == path.hits("lan1") == 0


def test_a_vrf_leaves_nothing_wrong(topology, path):
    """Packets of a VRF's ports are of another table: what happens is as without the fast path, and nothing is lost."""
    director = topology.director
    with pulse(topology, path, "lan1"):
        director.ip("link add red type vrf table 100", "link set red up", "link set lan1 master red")
        wait_until_off(path, "lan1")
        director.ip("link set lan1 nomaster", *reach_server_by("lan1"))
        path.grows("lan1")


def wait_until_off(path, name):
    """An interface has no fast path any more."""
    assert path.interfaces()[name].mode == 0


def test_both_sides_on_one_arm(topology, path):
    director, client, server = topology.director, topology.client, topology.servers[0]
    # The client's namespace is the switch: its link to the director and one to the server are ports.
    client.ip(
        "link add sw type bridge", "link set eth0 master sw", "addr flush dev eth0", "link set sw up",
        f"addr add {CLIENT}/24 dev sw", "route replace default via 172.16.0.254",
        f"link add port1 type veth peer name eth1 netns {server.name}", "link set port1 master sw", "link set port1 up",
    )
    server.ip(f"addr del {SERVERS[0]}/24 dev eth0", "link set eth1 up", f"addr add {SERVERS[0]}/24 dev eth1")
    director.ip("link set lan1 down", *reach_server_by("wan")[1:])
    with each_packet_once(topology, "eth1", "sw"), pulse(topology, path, "wan", lost=2):
        path.grows("wan", by=200)
    assert path.hits("lan1") == 0
    with transfer(topology, path, 10, by=("wan",)):
        pass
