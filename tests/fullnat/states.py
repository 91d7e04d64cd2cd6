# SPDX-License-Identifier: GPL-2.0
"""What the director knows about a connection: its state, its timer, its counters, its place in the listings."""

import json
import socket

from lib.packets import Udp
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.traffic import all_ok
from lib.waiting import wait_until
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Conversation

WEB = [f"{server}:80" for server in SERVERS]


def state(director, port):
    """State and seconds of the one connection of a client port."""
    [row] = [row for row in director.connections() if row["client"].endswith(f":{port}")]
    return row["state"]


def test_held_connections_are_active_and_ended_ones_are_not(topology, director):
    # A service of its own: a server that comes back to a service finds its old connections counted.
    service = f"{VIP}:8001"
    director.fullnat("-t", 8001, servers=WEB)
    held = topology.client.start("traffic", "connect", service, "-n", 6, "--hold")
    all_ok(held.read_line(), 6)
    assert director.servers(service) == {
        server: {"forward": "FullNat", "weight": 1, "active": 3, "inactive": 0} for server in WEB
    }
    held.finish()
    wait_until(lambda: all(row["active"] == 0 for row in director.servers(service).values()), "no active connection")
    assert all(row["inactive"] == 3 for row in director.servers(service).values())


def test_a_connection_goes_through_the_states_of_tcp(director, wire):
    talk = Conversation(wire, 48000)
    talk.client("S")
    assert state(director, 48000) == "SYN_RECV"
    talk.server("SA")
    assert state(director, 48000) == "SYN_RECV"
    talk.client("A")
    assert state(director, 48000) == "ESTABLISHED"
    talk.server("FA")
    assert state(director, 48000) == "FIN_WAIT"
    talk.client("FA")
    assert state(director, 48000) == "TIME_WAIT"
    talk.server("A")
    assert state(director, 48000) == "TIME_WAIT"


def test_a_reset_from_either_end_closes_the_connection(director, wire):
    ours, theirs = Conversation(wire, 48001), Conversation(wire, 48002)
    ours.open()
    theirs.open()
    ours.client("RA")
    theirs.server("RA")
    assert state(director, 48001) == "CLOSE"
    assert state(director, 48002) == "CLOSE"


def test_the_listing_names_all_four_ends(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "--hold")
    [exchange] = json.loads(held.read_line())["list"]
    [row] = [row for row in fullnat.connections() if row["client"] == exchange["own"]]
    assert row["protocol"] == "tcp"
    assert row["client"] == exchange["own"]
    assert row["virtual"] == f"{VIP}:80"
    assert row["local"] == exchange["peer"]
    assert row["server"] == exchange["server"]
    assert row["state"] == "ESTABLISHED"
    assert 800 < row["expires"] <= 900
    assert row["client"].startswith(CLIENT) and row["local"].startswith(LOCAL)
    held.finish()


def test_timeouts_are_those_that_were_set(director, wire):
    before = director.adm("-L", "--timeout").split(":")[1].split()
    director.adm("--set", 30, 5, 7)
    try:
        assert director.adm("-L", "--timeout").strip() == "Timeout (tcp tcpfin udp): 30 5 7"
        talk = Conversation(wire, 48003)
        talk.open()
        wire.from_client(socket.IPPROTO_UDP, Udp(48003, 81, b"udp").build(RAW_CLIENT, VIP))
        wire.settle()
        left = {row["protocol"]: row["expires"] for row in director.connections() if row["client"].endswith(":48003")}
        assert 20 < left["tcp"] <= 30 and 3 < left["udp"] <= 7
        talk.server("FA")
        [row] = [row for row in director.connections() if row["client"].endswith(":48003") and row["protocol"] == "tcp"]
        assert row["state"] == "FIN_WAIT" and row["expires"] <= 5
    finally:
        director.adm("--set", *before)


def test_traffic_in_either_direction_keeps_a_udp_flow_alive(director, wire):
    director.adm("--set", 0, 0, 30)
    try:
        wire.from_client(socket.IPPROTO_UDP, Udp(48004, 81, b"there").build(RAW_CLIENT, VIP))
        there = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")

        def left():
            [row] = [row for row in director.connections() if row["client"].endswith(":48004")]
            return row["expires"]

        wait_until(lambda: left() < 29, "the timer to run")
        wire.from_server(socket.IPPROTO_UDP, Udp(81, there.udp.sport, b"back").build(RAW_SERVER, LOCAL), LOCAL)
        wire.near.receive(lambda p: p.destination == RAW_CLIENT and p.protocol == 17, "answer")
        assert left() >= 29
    finally:
        director.adm("--set", 0, 0, 300)


def test_packets_and_bytes_are_counted_in_both_directions(director, wire):
    director.fullnat("-t", 8004, servers=[f"{RAW_SERVER}:81"])
    talk = Conversation(wire, 48005, vport=8004)
    talk.open(options=b"", answer=b"")          # In 40 + 40, out 40.
    talk.client("PA", b"x" * 100)               # In 140.
    talk.server("PA", b"y" * 200)               # Out 240.
    talk.client("A")                            # In 40.
    expected = {"conns": 1, "in_packets": 4, "out_packets": 2, "in_bytes": 260, "out_bytes": 280}

    def counted():
        return director.stats(f"{VIP}:8004", "-t")

    # IPVS adds up its counters every two seconds.
    wait_until(lambda: counted()["service"]["in_packets"], "the counters to be added up")
    assert counted() == {"service": expected, "servers": {f"{RAW_SERVER}:81": expected}}
    director.adm("-Z")
    assert set(counted()["service"].values()) == {0}


def test_a_server_over_its_threshold_gets_no_more_connections(topology, director):
    director.fullnat("-t", 8002, servers=WEB)
    director.adm("-e", "-t", f"{VIP}:8002", "-r", WEB[0], "-b", "-x", 2)
    held = topology.client.start("traffic", "connect", f"{VIP}:8002", "-n", 8, "-p", 1, "--hold", "--reset")
    assert json.loads(held.read_line())["servers"] == {SERVERS[0]: 2, SERVERS[1]: 6}
    held.finish()


def test_a_server_of_weight_zero_keeps_its_connections_and_gets_no_more(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
    all_ok(held.read_line(), 4)
    fullnat.adm("-e", "-t", f"{VIP}:80", "-r", SERVERS[0], "-b", "-w", 0)
    more = json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 4).stdout)
    assert more["servers"] == {SERVERS[1]: 4}
    held.say("again")
    assert json.loads(held.read_line())["servers"] == {SERVERS[0]: 2, SERVERS[1]: 2}
    held.finish()


def test_weights_share_out_the_connections(topology, director):
    director.fullnat("-t", 80, scheduler="wrr")
    director.adm("-e", "-t", f"{VIP}:80", "-r", SERVERS[0], "-b", "-w", 3)
    seen = json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 40).stdout)
    assert seen["servers"] == {SERVERS[0]: 30, SERVERS[1]: 10}
