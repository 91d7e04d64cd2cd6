# SPDX-License-Identifier: GPL-2.0
"""Neighbours, routes and interfaces that change while packets take the fast path: the next packet goes the new way."""

import contextlib
import json
import time

import pytest

from lib import xdp
from lib.director import Director
from lib.fast_path import FastPath
from lib.fast_path import pulse
from lib.fast_path import transfer
from lib.namespace import Namespace
from lib.namespace import run
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.topology import Topology
from lib.topology import serving
from lib.waiting import wait_until

# An interface that something still holds is waited for; the kernel complains about it every ten seconds.
AT_ONCE = 8
TICK = 0.01
OTHER_MAC = "02:00:00:00:77:01"
REACH_SERVER = ("addr replace 192.168.229.251/32 dev lan1", f"route replace {SERVERS[0]} dev lan1 src 192.168.229.251")


@pytest.fixture
def topology():
    """A topology for each test: what these do to it is not undone."""
    with serving() as made:
        yield made


@pytest.fixture
def one_server(topology, director):
    """The director with a service over one real server."""
    director.restore(director.rules("-t", 80, SERVERS[:1]) + director.rules("-u", 80, SERVERS[:1]))
    return director


def received(namespace, interface):
    """Packets that an interface has received."""
    shown = json.loads(namespace.run("ip", "-s", "-j", "link", "show", "dev", interface).stdout)
    return shown[0]["stats64"]["rx"]["packets"]


def test_a_server_that_announces_another_mac_is_reached_there_at_once(topology, one_server, path, way):
    server = topology.servers[0]
    server.sysctl("net.ipv4.conf.eth0.arp_notify", 1)
    with pulse(topology, path, lost=8):
        server.ip(f"link set eth0 address {OTHER_MAC}")
        path.grows("wan")
    assert OTHER_MAC in topology.director.run("ip", "neigh", "show", SERVERS[0]).stdout


def test_a_server_that_changes_its_mac_silently_is_found_again(topology, one_server, path, way):
    for name, value in (("base_reachable_time_ms", 500), ("delay_first_probe_time", 1), ("retrans_time_ms", 100)):
        topology.director.sysctl(f"net.ipv4.neigh.lan1.{name}", value)
    topology.director.ip("neigh flush dev lan1")
    with pulse(topology, path):
        topology.servers[0].ip(f"link set eth0 address {OTHER_MAC}")
        wait_until(
            lambda: OTHER_MAC in topology.director.run("ip", "neigh", "show", SERVERS[0]).stdout,
            "the director to ask again", 20,
        )
        path.grows("wan")


def test_a_neighbour_changed_by_hand_holds_for_the_next_packet(topology, one_server, path, way):
    server = topology.servers[0]
    [link] = json.loads(server.run("ip", "-j", "link", "show", "dev", "eth0").stdout)
    with pulse(topology, path):
        topology.director.ip(f"neigh replace {SERVERS[0]} lladdr {OTHER_MAC} dev lan1 nud permanent")
        answered = server.mib("UdpInDatagrams")
        hits = path.hits("wan")
        wait_until(lambda: path.hits("wan") > hits + 2, "packets for the wrong address")
        assert server.mib("UdpInDatagrams") - answered <= 1, "but for the one that was under way"
        topology.director.ip(f"neigh replace {SERVERS[0]} lladdr {link['address']} dev lan1 nud permanent")
        path.grows("lan1")


def test_a_neighbour_that_is_forgotten_is_asked_for_again(topology, one_server, path, way):
    with pulse(topology, path, lost=1):
        for _ in range(3):
            topology.director.ip(f"neigh del {SERVERS[0]} dev lan1", f"neigh del {CLIENT} dev wan")
            path.grows("wan", by=20)
            path.grows("lan1", by=20)


def test_another_gateway_to_the_clients_gets_the_next_answer(topology, one_server, path, way):
    client, director = topology.client, topology.director
    # The client has three links on one wire: its own, and those of two gateways.
    for name, address in (("gw1", "172.16.0.2"), ("gw2", "172.16.0.3")):
        client.ip(
            f"link add {name} link eth0 type macvlan mode bridge", f"link set {name} up",
            f"addr add {address}/32 dev {name}",
        )
    for name in ("eth0", "gw1", "gw2"):
        client.sysctl(f"net.ipv4.conf.{name}.arp_ignore", 1)
    director.ip(f"route replace {CLIENT}/32 via 172.16.0.2 dev wan")
    with pulse(topology, path, lost=2):
        before = received(client, "gw1")
        path.grows("lan1")
        assert received(client, "gw1") > before + 20
        director.ip(f"route replace {CLIENT}/32 via 172.16.0.3 dev wan")
        stopped, before = received(client, "gw1"), received(client, "gw2")
        path.grows("lan1")
        assert received(client, "gw2") > before + 20
        # What was under way, and broadcasts of ARP.
        assert received(client, "gw1") <= stopped + 4


def test_another_gateway_to_the_servers_gets_the_next_request(topology, one_server, path, way):
    server, director = topology.servers[0], topology.director
    server.ip(
        "link add gw link eth0 type macvlan mode bridge", "link set gw up", "addr add 192.168.229.77/32 dev gw",
    )
    for name in ("eth0", "gw"):
        server.sysctl(f"net.ipv4.conf.{name}.arp_ignore", 1)
    with pulse(topology, path, lost=2):
        director.ip("route add 192.168.229.77 dev lan1", f"route replace {SERVERS[0]} via 192.168.229.77 dev lan1")
        before = received(server, "gw")
        path.grows("wan")
        assert received(server, "gw") > before + 20


def test_a_route_to_nowhere_stops_packets_and_its_end_lets_them_go_on(topology, one_server, path, way):
    director, server = topology.director, topology.servers[0]
    with pulse(topology, path):
        director.ip(f"route replace prohibit {SERVERS[0]}")
        stopped = server.mib("UdpInDatagrams")
        hits = path.hits("wan")
        wait_until(lambda: path.detours().get("no-hop", 0) >= 2, "packets that know no way")
        assert path.hits("wan") <= hits + 1 and server.mib("UdpInDatagrams") <= stopped + 1
        director.ip(*REACH_SERVER)
        path.grows("wan", "lan1")


def test_an_interface_that_goes_down_and_up_again(topology, fullnat, path, way):
    director, server = topology.director, topology.servers[0]
    with pulse(topology, path):
        director.ip("link set lan1 down")
        stopped = server.mib("UdpInDatagrams")
        path.grows("lan2")
        assert server.mib("UdpInDatagrams") == stopped
        director.ip("link set lan1 up", *REACH_SERVER)
        path.grows("lan1")


def test_a_smaller_mtu_of_the_link_to_the_server_slows_a_transfer_and_no_more(topology, one_server, path, way):
    before = one_server.counters()["fullnat_too_big"]
    with transfer(topology, path, 20, by=("wan", "lan1")):
        topology.servers[0].ip("link set eth0 mtu 1300")
        topology.director.ip("link set lan1 mtu 1300")
    assert one_server.counters()["fullnat_too_big"] > before


def test_a_smaller_mtu_of_the_route_to_the_client_slows_a_transfer_and_no_more(topology, one_server, path, way):
    before = one_server.counters()["fullnat_too_big"]
    with transfer(topology, path, 20, by=("wan", "lan1")):
        topology.director.ip("route change 172.16.0.0/24 dev wan mtu 1300")
    assert one_server.counters()["fullnat_too_big"] > before


def test_a_larger_mtu_is_made_use_of(topology, one_server, path):
    """Room for more is there for the next connection, on the fast path, too."""
    with transfer(topology, path, 5):
        for namespace, interface in topology.ends():
            namespace.ip(f"link set {interface} mtu 9000")
    with transfer(topology, path, 5, by=("wan",)):
        pass


@contextlib.contextmanager
def at_once(what):
    """What is done takes no time, for nothing is held."""
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    assert took < AT_ONCE, f"{what} took {took:.1f} s"


def test_an_interface_deleted_under_traffic_is_gone_at_once(topology, fullnat, path, way):
    with pulse(topology, path):
        with at_once("deleting lan1"):
            topology.director.ip("link del lan1")
        path.grows("lan2")
    assert "lan1" not in path.interfaces()


def test_the_clients_interface_deleted_under_traffic_is_gone_at_once(topology, fullnat, path, way):
    with transfer_that_breaks(topology, path):
        with at_once("deleting wan"):
            topology.director.ip("link del wan")
    assert "wan" not in path.interfaces()


@contextlib.contextmanager
def transfer_that_breaks(topology, path):
    """Bytes flow until the test has broken the way."""
    moving = topology.client.start("traffic", "bulk", f"{VIP}:80", "--up", 10**9, "--down", 10**9, "--timeout", 2)
    path.grows()
    yield
    moving.finish(code=None)


def test_an_interface_renamed_under_traffic_loses_nothing(topology, one_server, path, way):
    with pulse(topology, path, lost=0):
        topology.director.ip("link set lan1 name inside")
        path.grows("inside")
    assert "lan1" not in path.interfaces()


def test_an_interface_moved_away_and_back_under_traffic(topology, fullnat, path):
    run("ip", "netns", "add", elsewhere := f"elsewhere-{topology.director.name}")
    other = Namespace(elsewhere)
    try:
        with pulse(topology, path):
            with at_once("moving lan1"):
                topology.director.ip(f"link set lan1 netns {elsewhere}")
            path.grows("lan2")
            assert "lan1" not in path.interfaces()
            with at_once("moving lan1 back"):
                other.ip(f"link set lan1 netns {topology.director.name}")
            topology.director.ip("link set lan1 up", *REACH_SERVER)
            path.grows("lan1")
    finally:
        other.delete()


def test_a_director_deleted_under_traffic_on_its_fast_path_is_gone_at_once(topology, fullnat, path, way):
    other = Topology()
    try:
        other.serve()
        second = Director(other.director)
        second.restore(second.rules("-t", 80))
        theirs = FastPath(other.director)
        if way == "xdp":
            xdp.prepare(other)
            for interface in ("wan", "lan1", "lan2"):
                xdp.attach(other.director, interface)
            theirs.in_xdp = True
        with transfer_that_breaks(other, theirs):
            theirs.close()
            other.forget(other.director)
        with pulse(topology, path, lost=0):
            path.grows()
    finally:
        other.delete()


def test_an_address_taken_from_the_director_takes_no_flow_along(topology, one_server, path):
    # FullNAT does not need the local address on an interface, only its packets.
    topology.servers[0].ip(f"route add {LOCAL} via 192.168.229.251")
    topology.director.ip("addr add 192.168.229.251/24 dev lan1")
    with pulse(topology, path, lost=0):
        topology.director.ip(f"addr add {LOCAL}/32 dev lan1", f"addr del {LOCAL}/32 dev lo")
        path.grows("lan1")


def test_a_local_address_taken_from_its_service_keeps_its_connections(topology, one_server, path, way):
    with pulse(topology, path, lost=0):
        one_server.adm("-Q", "-u", f"{VIP}:80", "-z", LOCAL)
        path.grows("wan", "lan1", by=200)


@pytest.mark.parametrize("side", ["requests", "answers"])
def test_a_rule_that_drops_packets_takes_effect_within_half_a_second(topology, one_server, path, way, side):
    rule = {"requests": "udp dport 80", "answers": "udp sport 80"}[side]
    with pulse(topology, path):
        topology.director.run("nft", "-f", "-", input=f"""
            table ip test {{
                chain first {{ type filter hook prerouting priority -350; {rule} drop; }}
            }}
        """)
        assert last_growth(lambda: path.hits(*{"requests": ["wan"], "answers": ["lan1"]}[side])) <= 0.5 + TICK
        topology.director.run("nft", "delete", "table", "ip", "test")
        path.grows("wan")
        path.grows("lan1")


def last_growth(count):
    """After how many seconds, at least, something has grown for the last time: when it was still less."""
    begin = time.monotonic()
    asked, was, at_least = begin, count(), 0.0

    def rests():
        nonlocal asked, was, at_least
        now, value = time.monotonic(), count()
        if value != was:
            at_least, was = asked - begin, value
        asked = now
        return asked - begin > at_least + 1.5

    wait_until(rests, "the end of it")
    return at_least


def test_the_other_port_of_a_bond_takes_over(topology, one_server, path):
    director, server = topology.director, topology.servers[0]
    director.ip(f"link add spare type veth peer name eth1 netns {server.name}")
    server.ip(
        "link add br0 type bridge", "link set eth0 master br0", "link set eth1 master br0", "addr flush dev eth0",
        "link set eth1 up", "link set br0 up", f"addr add {SERVERS[0]}/24 dev br0",
    )
    director.ip(
        "link add bond0 type bond mode active-backup miimon 20 primary lan1", "link set lan1 down",
        "link set lan1 master bond0", "link set spare master bond0", "link set bond0 up",
        "addr add 192.168.229.251/32 dev bond0", f"route replace {SERVERS[0]} dev bond0 src 192.168.229.251",
    )
    with pulse(topology, path, "bond0"):
        for port in ("lan1", "spare", "lan1"):
            other = {"lan1": "spare", "spare": "lan1"}[port]
            before = received(director, other)
            director.ip(f"link set {port} down")
            path.grows("bond0")
            path.grows("wan")
            assert received(director, other) > before + 20
            director.ip(f"link set {port} up")
            wait_until(lambda port=port: is_up(director, port), f"the bond to see {port}")


def is_up(director, port):
    """Whether a bond has found its port working."""
    [link] = json.loads(director.run("ip", "-j", "-d", "link", "show", "dev", port).stdout)
    return link["linkinfo"]["info_slave_data"]["mii_status"] == "UP"
