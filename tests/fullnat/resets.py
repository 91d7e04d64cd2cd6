# SPDX-License-Identifier: GPL-2.0
"""Both ends of an established connection learn that the director has given it up: a reset that each takes at once."""

import socket
import struct

import pytest

from lib.options import limit_silence
from lib.six import CLIENT6
from lib.six import LOCAL6
from lib.six import SERVER6
from lib.six import VIP6
from lib.six import add_ipv6
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.waiting import wait_until

PORT = 90
SENT = ("rst_in_established", "rst_out_established")
# Client, virtual address, local address, real server.
WAYS = {
    "44": (CLIENT, VIP, LOCAL, SERVERS[0]),
    "66": (CLIENT6, VIP6, LOCAL6, SERVER6),
    "64": (CLIENT6, VIP6, LOCAL, SERVERS[0]),
    "46": (CLIENT, VIP, LOCAL6, SERVER6),
}


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Pair:
    """A client's and a real server's socket, connected through the director."""

    def __init__(self, topology, director, way, sport=0):
        client, vip, local, server = WAYS[way]
        self.service = f"-t {end(vip, PORT)}".split()
        self.server_words = ("-r", end(server, PORT))
        director.restore([
            f"-A {' '.join(self.service)} -s rr", f"-P {' '.join(self.service)} -z {local}",
            f"-a {' '.join(self.service)} -r {end(server, PORT)} -b",
        ])
        self.vip = vip
        self.listener = self._socket(topology.servers[0], server, PORT)
        self.listener.listen()
        self.client = self._socket(topology.client, client, sport)

    @staticmethod
    def _socket(namespace, address, port):
        with namespace.entered():
            made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.settimeout(15)
        return made

    def open(self, first=b"a word", answer=b"another"):
        """Connect and say something both ways."""
        self.client.connect((self.vip, PORT))
        self.server, _ = self.listener.accept()
        self.server.settimeout(15)
        self.client.sendall(first)
        assert self.server.recv(100) == first
        self.server.sendall(answer)
        assert self.client.recv(100) == answer

    def both_are_reset(self):
        """Whether each end is told."""
        for side in (self.client, self.server):
            with pytest.raises(ConnectionResetError):
                side.recv(100)

    def close(self):
        for made in (self.client, self.listener, getattr(self, "server", None)):
            if made:
                made.close()


@pytest.fixture
def pairs(topology, director):
    """Make pairs that are closed after the test."""
    made = []

    def make(way, **words):
        made.append(Pair(topology, director, way, **words))
        return made[-1]
    yield make
    for pair in made:
        pair.close()


@pytest.mark.parametrize("remove", [1, 0])
@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_was_silent_for_too_long_is_reset_at_both_ends(topology, director, pairs, way, remove):
    topology.director.sysctl("net.ipv4.vs.fullnat_timestamp_remove_entry", remove)
    try:
        pair = pairs(way)
        limit_silence(director, "-t", PORT, 2, vip=pair.vip)
        before = director.counters()
        pair.open()
        pair.both_are_reset()
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_timestamp_remove_entry", 1)
    after = director.counters()
    assert [after[name] - before[name] for name in SENT] == [1, 1]


def test_shifted_numbers_are_the_right_ones(topology, director, pairs):
    """Of connections that follow each other on the only port, about every second is shifted."""
    names = ("net.ipv4.vs.fullnat_lport_min", "net.ipv4.vs.fullnat_lport_max")
    default = [topology.director.sysctl(name) for name in names]
    for name in names:
        topology.director.sysctl(name, 35000)
    try:
        for turn in range(6):
            director.clear()
            pair = pairs("44")
            limit_silence(director, "-t", PORT, 1)
            pair.open(b"turn %d" % turn)
            assert pair.server.getpeername()[1] == 35000
            pair.both_are_reset()
            pair.close()
            wait_until(lambda: not director.connections(), "the port to come back", 20)
    finally:
        for name, value in zip(reversed(names), reversed(default), strict=True):
            topology.director.sysctl(name, value)


def test_a_connection_whose_server_is_taken_away_is_reset_at_both_ends(topology, director, pairs):
    topology.director.sysctl("net.ipv4.vs.expire_nodest_conn", 1)
    try:
        pair = pairs("44")
        pair.open()
        director.adm("-d", *pair.service, *pair.server_words)
        pair.both_are_reset()
    finally:
        topology.director.sysctl("net.ipv4.vs.expire_nodest_conn", 0)


def test_nobody_is_told_where_that_is_off(topology, director, pairs):
    topology.director.sysctl("net.ipv4.vs.conn_expire_tcp_rst", 0)
    try:
        pair = pairs("44")
        limit_silence(director, "-t", PORT, 1)
        before = director.counters()
        pair.open()
        wait_until(lambda: not director.connections(), "the connection to expire", 20)
        for side in (pair.client, pair.server):
            side.setblocking(False)
            with pytest.raises(BlockingIOError):
                side.recv(100)
        assert [director.counters()[name] - before[name] for name in SENT] == [0, 0]
    finally:
        topology.director.sysctl("net.ipv4.vs.conn_expire_tcp_rst", 1)


def test_a_connection_that_its_ends_have_closed_is_not_reset_once_more(topology, director, pairs):
    pair = pairs("44")
    before = director.counters()
    pair.open()
    pair.server.close()
    assert pair.client.recv(100) == b""
    # With a reset, so that IPVS keeps it for ten seconds only.
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pair.client.close()
    wait_until(lambda: not director.connections(), "the connection to expire", 20)
    assert [director.counters()[name] - before[name] for name in SENT] == [0, 0]
