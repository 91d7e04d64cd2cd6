# SPDX-License-Identifier: GPL-2.0
"""IPVS knows what happens on the fast path: its counters, its timers, and what its administrator changes."""

import os
import re

import pytest

from lib import modules
from lib.fast_path import Pulse
from lib.fast_path import pulse
from lib.fast_path import transfer
from lib.options import limit_silence
from lib.topology import SERVERS
from lib.topology import VIP
from lib.traffic import all_ok
from lib.waiting import wait_until
from lib.wire import SERVER
from lib.wire import Conversation
from lib.wire import Datagrams

SERVICE = f"{VIP}:80"
RAW = f"{VIP}:81"
EXPIRE = "net.ipv4.vs.expire_nodest_conn"
RATE = re.compile(rf"^(?:UDP  {re.escape(SERVICE)}|  -> \S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", re.MULTILINE)


def chat(wire, first):
    """The same packets each time: datagrams and segments of all sizes, both ways."""
    udp, tcp = Datagrams(wire, first), Conversation(wire, first)
    tcp.open()
    tcp.client("PA", b"hello")
    tcp.server("PA", b"hello yourself")
    for size in range(0, 1400, 23):
        data = b"%04d" % size + bytes(size)
        udp.client(data)
        udp.server(data + b"?")
        tcp.client("PA", data)
        tcp.server("PA", data * 2 if size < 700 else b"!")
        tcp.client("A")


def test_counters_are_the_same_either_way(director, wire, path):
    def counted(sport):
        director.clear()
        director.restore(director.rules("-t", 81, [SERVER]) + director.rules("-u", 81, [SERVER]))
        chat(wire, sport)
        # IPVS adds up what each processor has counted every two seconds.
        return [
            wait_until(lambda: (s := director.stats(RAW, kind))["service"]["in_packets"] == sent and s, "the sum")
            for kind, sent in (("-t", 125), ("-u", 61))
        ]

    before = path.hits()
    fast = counted(46000)
    took = path.hits() - before
    with path.switched_off():
        before = path.hits()
        slow = counted(46001)
        assert path.hits() == before
    assert fast == slow
    assert fast[1]["service"]["in_packets"] == 61 == fast[1]["service"]["out_packets"]
    assert took > 200, "most of them took it"


def test_counters_of_super_packets_are_the_same_either_way(topology, fullnat, path):
    # A packet of GRO is one packet to IPVS, of all its bytes, whichever way it goes: bytes of headers vary a little.
    topology.director.run("ethtool", "-K", "wan", "gro", "on")
    size = 5_000_000
    try:
        seen = []
        for _ in range(2):
            fullnat.adm("-Z")
            topology.client.run("traffic", "bulk", SERVICE, "--up", size, "--down", size)
            seen.append(wait_until(
                lambda: (stats := fullnat.stats(SERVICE, "-t")["service"])["in_bytes"] > size < stats["out_bytes"]
                and stats, "the sum",
            ))
            topology.director.sysctl("net.ipv4.vs.fullnat_fastpath", 0)
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_fastpath", 1)
        topology.director.run("ethtool", "-K", "wan", "gro", "off")
    for stats in seen:
        for way in ("in", "out"):
            assert size < stats[f"{way}_bytes"] < size * 1.2, stats


def test_the_rate_is_shown_while_packets_take_the_fast_path(topology, fullnat, path):
    def rates():
        listing = fullnat.adm("-L", "-n", "--rate", "-u", SERVICE)
        return [[int(number) for number in row] for row in RATE.findall(listing)]

    with pulse(topology, path, lost=0):
        rows = wait_until(
            lambda: len(rows := rates()) == 3 and all(all(row[1:]) for row in rows) and rows,
            "a rate of the service and of both servers", 20,
        )
    _, packets_in, packets_out, *_ = rows[0]
    # Estimates of one moment.
    assert 0.5 < packets_in / packets_out < 2


@pytest.mark.skipif(os.cpu_count() < 2, reason="one processor")
def test_two_processors_count_every_packet(topology, director, path, way):
    """Packets of a virtual link are dealt with on the processor of who sends them."""
    # Servers that are known from before count on where they were.
    rounds, port = 500, {"ingress": 84, "xdp": 85}[way]
    topology.serve(port)
    director.fullnat("-u", port)
    service, before, hits = f"{VIP}:{port}", counted(path), path.hits()
    senders = [
        topology.client.start("taskset", "-c", cpu, "traffic", "udp", service, "-n", rounds, "-k", 4, "--timeout", 5)
        for cpu in (0, 1)
    ]
    for sender in senders:
        all_ok(sender.finish(timeout=50), rounds)
    sent = rounds * len(senders)
    now = wait_until(
        lambda: (s := director.stats(service, "-u"))["service"]["out_packets"] >= sent and s, "IPVS to add it up"
    )
    assert (now["service"]["in_packets"], now["service"]["out_packets"]) == (sent, sent)
    # The first packet of a flow is of none.
    expected = 2 * sent - now["service"]["conns"]
    assert counted(path) - before == expected, "each packet once, as a hit or with a reason"
    assert path.hits() - hits > sent
    by_server = wait_until(
        lambda: (s := director.stats(service, "-u")["servers"]) and total(s, "in_packets") >= sent and s, "the same"
    )
    assert total(by_server, "in_packets") == total(by_server, "out_packets") == sent


def total(servers, name):
    """What the servers of a service have counted."""
    return sum(server[name] for server in servers.values())


def counted(path):
    """Packets of flows that the interfaces have counted."""
    return sum(
        counts.hits + sum(count for name, count in counts.detours.items() if name != "no-flow")
        for counts in path.interfaces().values()
    )


def lives(director, port):
    """Whether the connection of a client's port is there."""
    return any(row["client"].endswith(f":{port}") for row in director.connections())


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_connection_lives_by_packets_on_the_fast_path_and_ends_without(director, wire, path, kind):
    limit_silence(director, "-t" if kind == "tcp" else "-u", 81, 2)
    talk = Conversation(wire, 46100) if kind == "tcp" else Datagrams(wire, 46100)
    words = ("PA",) if kind == "tcp" else ()
    if kind == "tcp":
        talk.open()
    talk.client(*words, b"first")
    talk.server(*words, b"first")
    if kind == "tcp":
        talk.client("A")
    hits, turn = path.hits(), 0

    def goes_on():
        nonlocal turn
        turn += 1
        talk.client(*words, b"request %d" % turn)
        talk.server(*words, b"answer %d" % turn)
        assert lives(director, 46100), f"the connection ended after {turn} turns"
        # Three times the silence it may keep.
        return path.detours().get("refresh", 0) >= before + 24

    before = path.detours().get("refresh", 0)
    wait_until(goes_on, "twelve times half a second", 30)
    passed, refreshed = path.hits() - hits, path.detours().get("refresh", 0) - before
    # On a slow machine most of them are half a second apart.
    assert passed > 0 and passed + refreshed > turn
    wait_until(lambda: not lives(director, 46100), "the connection to end by silence", 10)
    hits = path.hits()
    talk.send_server(*words, b"too late")
    wire.settle()
    assert path.hits() == hits


@pytest.mark.parametrize("state", ["on", "off"])
def test_a_server_that_is_removed_gets_no_packet_more(topology, director, wire, path, state):
    topology.director.sysctl("net.ipv4.vs.fullnat_fastpath", int(state == "on"))
    try:
        talk = Datagrams(wire, 46200)
        talk.warm()
        talk.client(b"on the fast path")
        director.adm("-d", "-u", RAW, "-r", f"{SERVER}:81")
        wire.flush()
        hits = path.hits()
        for _ in range(5):
            talk.send_client(b"too late")
        wire.quiet("a datagram for a server that was removed")
        assert path.hits() == hits
        director.adm("-a", "-u", RAW, "-r", f"{SERVER}:81", "-b")
        talk.client(b"again")
        talk.server(b"again")
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_fastpath", 1)


def test_a_server_removed_under_traffic_gets_no_packet_more(topology, fullnat, path, way):
    server = topology.servers[0]
    with pulse(topology, path):
        fullnat.adm("-d", "-u", SERVICE, "-r", SERVERS[0])
        # One may be between the director and the server.
        stopped = server.mib("UdpInDatagrams")
        path.grows("lan2", by=200)
        assert server.mib("UdpInDatagrams") <= stopped + 1
        assert path.detours().get("no-server", 0) + path.detours().get("refresh", 0) > 0


def test_connections_of_a_server_that_is_removed_go_to_another_if_asked_to(topology, fullnat, path, way):
    topology.director.sysctl(EXPIRE, 1)
    server = topology.servers[0]
    try:
        with pulse(topology, path):
            fullnat.adm("-d", "-u", SERVICE, "-r", SERVERS[0])
            # What clients send makes a new connection, of another server, which is all they notice.
            wait_until(
                lambda: not [row for row in fullnat.connections() if is_of(row, SERVERS[0])], "their end"
            )
            stopped = server.mib("UdpInDatagrams")
            path.grows("lan2", by=200)
            assert server.mib("UdpInDatagrams") == stopped
    finally:
        topology.director.sysctl(EXPIRE, 0)


def is_of(row, server):
    """Whether a connection is one of datagrams with a server: those of TCP have a service of their own."""
    return row["protocol"] == "UDP" and row["server"] == f"{server}:80"


@pytest.mark.parametrize("words", [("-C",), ("-D", "-u", SERVICE)], ids=" ".join)
def test_a_service_taken_away_under_traffic_stops_it(topology, fullnat, path, way, words):
    beating = Pulse(topology.client)
    path.grows()
    fullnat.adm(*words)
    stopped = sum(server.mib("UdpInDatagrams") for server in topology.servers)
    hits = path.hits()
    before = path.detours()
    wait_until(
        lambda: sum(path.detours().values()) > sum(before.values()) + 5, "packets that find no service", 10
    )
    assert sum(server.mib("UdpInDatagrams") for server in topology.servers) <= stopped + 1
    assert path.hits() <= hits + 2
    fullnat.fullnat("-u", 80)
    path.grows()
    assert beating.end()["ok"] > 10


def test_a_server_of_weight_0_keeps_what_it_has_and_gets_nothing_new(topology, fullnat, path, way):
    with pulse(topology, path, lost=0):
        fullnat.adm("-e", "-u", SERVICE, "-r", SERVERS[0], "-b", "-w", 0)
        path.grows("lan1")
        assert topology.client.run("traffic", "udp", SERVICE, "-n", 8, "-k", 8).stdout.count(SERVERS[0]) == 0
    fullnat.adm("-e", "-u", SERVICE, "-r", SERVERS[0], "-b", "-w", 1)


def test_switched_off_and_on_under_traffic_nothing_is_lost(topology, fullnat, path, way):
    server = topology.servers[0]
    with pulse(topology, path, lost=0), transfer(topology, path):
        for _ in range(5):
            with path.switched_off():
                hits, before = path.hits(), server.mib("UdpInDatagrams")
                wait_until(lambda before=before: server.mib("UdpInDatagrams") > before + 20, "datagrams the long way")
                # Those that were in the middle of it.
                assert path.hits() <= hits + 2
            path.grows()


def test_modules_unloaded_under_traffic_on_the_fast_path(topology, fullnat, path):
    path.close()
    beating = Pulse(topology.client)
    moving = topology.client.start("traffic", "bulk", SERVICE, "--up", 10**9, "--down", 10**9, "--timeout", 2)
    try:
        for _ in range(5):
            answered = sum(server.mib("UdpInDatagrams") for server in topology.servers)
            wait_until(
                lambda answered=answered: sum(s.mib("UdpInDatagrams") for s in topology.servers) > answered + 50,
                "datagrams",
            )
            modules.unload_director()
            modules.load_director()
            fullnat.clear()
            fullnat.restore(fullnat.rules("-t", 80) + fullnat.rules("-u", 80))
    finally:
        modules.load_director()
    assert beating.end()["ok"] > 50
    moving.finish(code=None)
