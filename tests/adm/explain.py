# SPDX-License-Identifier: GPL-2.0
"""What explain says comes true: the packet arrives, or the counter it named goes up."""

import json

import pytest

from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP

FORWARDED, DROPPED, UNTOUCHED = 0, 3, 4


def ask(director, *words, code):
    """The answer, as JSON."""
    done = director.namespace.run("rsipvsadm", "explain", *words, "--json", code=code)
    assert done.stderr == ""
    return json.loads(done.stdout)


def client(port=40000):
    return f"{CLIENT}:{port}"


def test_a_packet_that_arrives(topology, fullnat):
    answer = ask(fullnat, "tcp", client(), f"{VIP}:80", code=FORWARDED)
    assert answer["verdict"] == "forwarded" and answer["counter"] is None
    assert {end["address"] for end in answer["to"]} == set(SERVERS)
    assert json.loads(topology.client.run("traffic", "connect", f"{VIP}:80").stdout)["ok"] == 1
    text = fullnat.namespace.run("rsipvsadm", "explain", "tcp", client(), f"{VIP}:80").stdout
    assert text.startswith("1. ") and text.splitlines()[-1].startswith("Verdict: forwarded to ")
    assert LOCAL in text and "ports free" in text


def test_packets_of_a_connection_in_both_directions(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "--hold", "--reset")
    [exchange] = json.loads(held.read_line())["list"]
    there = ask(fullnat, "tcp", exchange["own"], f"{VIP}:80", code=FORWARDED)
    assert [f"{end['address']}:{end['port']}" for end in there["to"]] == [exchange["server"]]
    assert any("ESTABLISHED" in step and exchange["peer"] in step for step in there["steps"])
    back = ask(fullnat, "tcp", exchange["server"], exchange["peer"], code=FORWARDED)
    assert [f"{end['address']}:{end['port']}" for end in back["to"]] == [exchange["own"]]
    held.finish()


def take_laddr(director):
    director.adm("-Q", "-t", f"{VIP}:80", "-z", LOCAL)


def take_port_range(director):
    director.namespace.sysctl("net.ipv4.vs.fullnat_lport_max", 1)
    director.namespace.sysctl("net.ipv4.vs.fullnat_lport_min", 1)


def take_route(director):
    director.namespace.ip(*(f"route del {server}" for server in SERVERS))


def take_local(director):
    director.namespace.ip(f"addr del {LOCAL}/32 dev lo")


@pytest.fixture
def mended(topology, fullnat):
    """A director that is whole again afterwards."""
    yield fullnat
    for line in (
        f"addr replace {LOCAL}/32 dev lo",
        f"route replace {SERVERS[0]} dev lan1 src 192.168.229.251",
        f"route replace {SERVERS[1]} dev lan2 src 192.168.229.252",
    ):
        topology.director.ip(line)
    topology.director.sysctl("net.ipv4.vs.fullnat_lport_max", 65535)
    topology.director.sysctl("net.ipv4.vs.fullnat_lport_min", 1025)


@pytest.mark.parametrize("spoil, counter", [
    (take_laddr, "fullnat_no_laddr"), (take_route, "fullnat_no_route"), (take_local, "fullnat_no_route"),
], ids=lambda value: getattr(value, "__name__", value))
def test_a_packet_that_is_dropped_raises_the_counter_that_was_named(topology, mended, spoil, counter):
    spoil(mended)
    answer = ask(mended, "tcp", client(), f"{VIP}:80", code=DROPPED)
    assert (answer["verdict"], answer["counter"]) == ("dropped", counter)
    before = mended.counters()[counter]
    topology.client.run("traffic", "connect", f"{VIP}:80", "--timeout", "0.5", code=None)
    assert mended.counters()[counter] > before


def test_no_port_left_is_said(topology, mended):
    take_port_range(mended)
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 2, "--hold", "--reset")
    held.read_line()
    answer = ask(mended, "tcp", client(), f"{VIP}:80", code=DROPPED)
    assert answer["counter"] == "fullnat_no_port"
    held.finish()


def test_weights_and_thresholds(fullnat):
    for server in SERVERS:
        fullnat.adm("-e", "-t", f"{VIP}:80", "-r", server, "-w", 0)
    answer = ask(fullnat, "tcp", client(), f"{VIP}:80", code=DROPPED)
    assert answer["counter"] is None
    assert sum("weight 0" in step for step in answer["steps"]) == 2


def test_what_is_no_matter_of_ipvs(fullnat):
    assert ask(fullnat, "tcp", client(), f"{VIP}:81", code=UNTOUCHED)["verdict"] == "untouched"
    elsewhere = ask(fullnat, "tcp", client(), "198.51.100.1:80", code=UNTOUCHED)
    assert any("ip addr add 198.51.100.1/32" in step for step in elsewhere["steps"])
    late = ask(fullnat, "tcp", f"{SERVERS[0]}:80", f"{LOCAL}:1025", code=UNTOUCHED)
    assert any("local address of service" in step for step in late["steps"])


def test_udp_to_an_address_that_serves_only_tcp(topology, director):
    director.adm("-A", "-t", f"{VIP}:80", "-s", "rr")
    director.adm("-P", "-t", f"{VIP}:80", "-z", LOCAL)
    director.adm("-a", "-t", f"{VIP}:80", "-r", SERVERS[0], "-b")
    answer = ask(director, "udp", client(), f"{VIP}:53", code=DROPPED)
    before = director.counters()[answer["counter"]]
    topology.client.run("traffic", "udp", f"{VIP}:53", "--timeout", "0.5", code=None)
    assert director.counters()[answer["counter"]] > before


def test_marks(director):
    director.adm("-A", "-f", 7, "-s", "rr")
    director.adm("-P", "-f", 7, "-z", LOCAL)
    director.adm("-a", "-f", 7, "-r", f"{SERVERS[0]}:80", "-b")
    without = ask(director, "tcp", client(), f"{VIP}:80", code=UNTOUCHED)
    assert any("--mark" in step for step in without["steps"])
    assert ask(director, "--mark", "7", "tcp", client(), f"{VIP}:80", code=FORWARDED)["to"]


def test_nonsense_is_named(director):
    for words, named in ((("icmp", client(), f"{VIP}:80"), "icmp"), (("tcp", CLIENT, f"{VIP}:80"), CLIENT)):
        done = director.adm("explain", *words, code=2)
        [line] = done.stderr.splitlines()
        assert named in line
