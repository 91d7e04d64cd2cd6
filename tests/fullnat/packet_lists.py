# SPDX-License-Identifier: GPL-2.0
"""Super-packets that are lists of packets, each with headers of its own (rx-gro-list): what a method changes in the
first must change in all."""

import json

import pytest

from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.wire import Tap

REMOVE = "net.ipv4.vs.fullnat_timestamp_remove_entry"


@pytest.fixture
def lists(topology):
    """The client sends packet by packet, the director's card makes lists of them, and the director takes them apart."""
    topology.client.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "tx", "off")
    topology.director.run("ethtool", "-K", "wan", "gro", "on", "rx-gro-list", "on")
    topology.director.run("ethtool", "-K", "lan1", "tso", "off", "gso", "off", "tx", "off", "tx-gso-list", "off")
    yield
    topology.director.run("ethtool", "-K", "wan", "rx-gro-list", "off")
    topology.director.run("ethtool", "-K", "lan1", "tx-gso-list", "on")
    topology.offloads("default")


def send(topology, director, size):
    """Send so much to a real server; returns the client's port, what the director got, and what the server got."""
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    near, far = Tap(topology.director, "wan"), Tap(topology.servers[0], "eth0")
    try:
        seen = json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "--size", size).stdout)
        assert seen["ok"] == 1
        came = [packet for packet in near.read() if packet.source == CLIENT]
        went = [packet for packet in far.read() if packet.source == LOCAL and packet.tcp.data]
    finally:
        near.close()
        far.close()
    assert max(packet.total_length for packet in came) > 1500, "there must have been a list"
    return int(seen["list"][0]["own"].rpartition(":")[2]), went


def test_the_first_packets_of_lists_are_introduced(topology, director, lists):
    failed = director.counters()["fullnat_add_toa_fail_mem"]
    port, went = send(topology, director, 1000000)
    assert sum(len(packet.tcp.data) for packet in went) >= 1000000
    carried = [packet.tcp.toas() for packet in went]
    # Until the server has acknowledged something.
    some = carried.index([]) if [] in carried else len(carried)
    assert some and carried == [[(CLIENT, port)]] * some + [[]] * (len(carried) - some)
    assert director.counters()["fullnat_add_toa_fail_mem"] == failed


def test_every_packet_of_a_list_is_of_the_directors_clock(topology, director, lists):
    topology.director.sysctl(REMOVE, 0)
    try:
        _, went = send(topology, director, 1000000)
    finally:
        topology.director.sysctl(REMOVE, 1)
    clock = [int.from_bytes(packet.tcp.option(8)[:4]) for packet in went]
    assert max(clock) - min(clock) < 60_000, "milliseconds of one clock"
