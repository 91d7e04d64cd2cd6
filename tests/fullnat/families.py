# SPDX-License-Identifier: GPL-2.0
"""Real programs through every pair of families: TCP, UDP, SCTP, pings, fragments, and a smaller MTU on the way."""

import contextlib
import json
import socket

import pytest

from lib.cells import CELLS
from lib.cells import end
from lib.six import VIP6
from lib.six import add_ipv6
from lib.topology import VIP

SMALL = 1300
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file, and every offload: what programs do is cut and summed as late as can be."""
    add_ipv6(topology)
    topology.offloads("on")


@pytest.fixture(params=CELLS)
def cell(request, director):
    """A pair of families, with its services for TCP and UDP."""
    cell = CELLS[request.param]
    director.restore(cell.rules("-t") + cell.rules("-u"))
    return cell


def traffic(topology, command, cell, *words):
    return json.loads(topology.client.run("traffic", command, end(cell.vip, 80), *words).stdout)


def reassembled(namespace, family):
    """How many packets of a family a namespace has put together."""
    return namespace.mib("IpReasmOKs") if family == 4 else namespace.mib6("Ip6ReasmOKs")


@pytest.mark.parametrize("command", ["connect", "udp"])
def test_the_server_sees_the_local_address_and_the_client_the_vip(topology, cell, command):
    seen = traffic(topology, command, cell, "-n", 6)
    assert (seen["ok"], seen["errors"]) == (6, {})
    assert seen["peers"] == {cell.local: 6}
    assert seen["servers"] == {cell.server: 6}


def test_what_is_sent_both_ways_at_once_arrives_as_it_was(topology, cell):
    wrong = {end: end.mib("TcpInCsumErrors") for end in (topology.client, topology.servers[0])}
    moved = traffic(topology, "bulk", cell, "--up", 1_500_000, "--down", 1_500_000)
    assert moved["ok"] and (moved["up"], moved["down"]) == (1_500_000, 1_500_000)
    assert moved["up_hash"] == moved["up_hash_server"] != moved["down_hash"] == moved["down_hash_server"]
    assert {end: end.mib("TcpInCsumErrors") for end in wrong} == wrong


def test_a_datagram_in_fragments_arrives_whole_both_ways(topology, cell):
    ends = list(zip((topology.client, topology.servers[0]), cell.families, strict=True))
    before = [reassembled(*end) for end in ends]
    seen = traffic(topology, "udp", cell, "-n", 4, "--size", 5000)
    assert (seen["ok"], seen["errors"]) == (4, {})
    assert [reassembled(*end) - past for end, past in zip(ends, before, strict=True)] == [4, 4]


@contextlib.contextmanager
def small_mtu(topology, cell, side):
    """Let the director's way to one side have a smaller MTU than its link."""
    family = cell.families[side == "server"]
    address, interface = (cell.server, "lan1") if side == "server" else (cell.client, "wan")
    width = 32 if family == 4 else 128
    source = " src 192.168.229.251" if (side, family) == ("server", 4) else ""
    there = side == "server"
    way = f"{address}/{width} dev {interface}{source}"
    topology.director.ip(f"route replace {way} mtu {SMALL}")
    try:
        yield
    finally:
        topology.director.ip(f"route replace {way}" if there else f"route delete {way}")
        for namespace in (topology.client, topology.servers[0]):
            for flag in ("-4", "-6"):
                namespace.run("ip", flag, "route", "flush", "cache")


@pytest.mark.parametrize("side, direction", [("server", "--up"), ("client", "--down")])
def test_a_transfer_finds_a_smaller_mtu_and_ends_well(topology, director, cell, side, direction):
    too_big = director.counters()["fullnat_too_big"]
    with small_mtu(topology, cell, side):
        moved = traffic(topology, "bulk", cell, direction, 500_000)
    assert moved["ok"]
    assert director.counters()["fullnat_too_big"] > too_big, "somebody had to be told"


@pytest.mark.parametrize("side", ["server", "client"])
def test_a_large_datagram_passes_a_smaller_mtu(topology, cell, side):
    with small_mtu(topology, cell, side):
        # IPv6 routers do not cut: the first datagram that is too big may only say so to its sender.
        words = ("-n", 3, "--size", 3000, "--timeout", 0.5)
        done = topology.client.run("traffic", "udp", end(cell.vip, 80), *words, code=None)
        seen = json.loads(done.stdout)
        assert seen["ok"] >= 2 if 6 in cell.families else seen["ok"] == 3, seen


@pytest.mark.parametrize("vip", [VIP, VIP6])
def test_the_vip_answers_pings_of_any_size(topology, cell, vip):
    for size in (56, 3000):
        assert "2 received" in topology.client.run("ping", "-c", 2, "-i", 0.05, "-W", 2, "-s", size, vip).stdout


class Sctp:
    """A client's and a server's SCTP socket of one kind, bound to one address each."""

    def __init__(self, topology, cell, style):
        self.sockets = []
        self.listener = self._socket(topology.servers[0], cell.server, 80, style)
        self.listener.listen()
        self.client = self._socket(topology.client, cell.client, 0, style)

    def _socket(self, namespace, address, port, style):
        with namespace.entered():
            made = socket.socket(FAMILY[6 if ":" in address else 4], style, socket.IPPROTO_SCTP)
        self.sockets.append(made)
        made.settimeout(10)
        made.bind((address, port))
        return made

    def accept(self):
        """The server's end of the association and its peer's address."""
        made, peer = self.listener.accept()
        self.sockets.append(made)
        made.settimeout(10)
        return made, peer[0]

    def close(self):
        """End what is open."""
        for made in reversed(self.sockets):
            made.close()


@pytest.mark.parametrize("name", CELLS)
def test_an_sctp_association_carries_messages_both_ways(topology, director, name):
    cell = CELLS[name]
    director.restore(cell.rules("--sctp-service"))
    pair = Sctp(topology, cell, socket.SOCK_STREAM)
    try:
        pair.client.connect((cell.vip, 80))
        server, peer = pair.accept()
        assert peer == cell.local
        for size in (1, 1000, 20000):
            for sender, receiver in ((pair.client, server), (server, pair.client)):
                message = bytes(range(256)) * (size // 256) + b"e" * (size % 256)
                sender.sendall(message)
                came = b""
                while len(came) < size:
                    came += receiver.recv(65536)
                assert came == message
        own = end(cell.client, pair.client.getsockname()[1])
        [row] = [row for row in director.connections() if (row["protocol"], row["client"]) == ("sctp", own)]
        assert (row["state"], row["virtual"], row["server"]) == \
            ("ESTABLISHED", end(cell.vip, 80), end(cell.server, 80))
        pair.client.close()
        assert server.recv(10) == b"", "the server is told the end"
    finally:
        pair.close()


def test_a_client_may_use_both_families_at_once(topology, director):
    """One director, four services: the connections of one pair of families know nothing of another's."""
    director.restore([
        rule for port, cell in enumerate(CELLS.values(), 100) for rule in cell.rules("-t", port, rport=80)
    ])
    held = []
    for port, cell in enumerate(CELLS.values(), 100):
        words = ("-n", 3, "--hold", "--reset")
        held.append(topology.client.start("traffic", "connect", end(cell.vip, port), *words))
        seen = json.loads(held[-1].read_line())
        assert (seen["ok"], seen["peers"]) == (3, {cell.local: 3})
    for program in held:
        program.say("again")
        assert json.loads(program.read_line())["ok"] == 3
        program.finish()
