# SPDX-License-Identifier: GPL-2.0
"""Director and real server together, over UDP: programs learn their clients, whichever family is where."""

import contextlib
import json
import socket
import struct

import pytest

from lib.options import introduce
from lib.six import CLIENT6
from lib.six import LOCAL6
from lib.six import SERVER6
from lib.six import VIP6
from lib.six import add_ipv6
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.uoa import ask
from lib.uoa import clients
from lib.uoa import program

# Client, virtual address, local address, real server.
WAYS = {
    "44": (CLIENT, VIP, LOCAL, SERVERS[0]),
    "66": (CLIENT6, VIP6, LOCAL6, SERVER6),
    "46": (CLIENT, VIP, LOCAL6, SERVER6),
    "64": (CLIENT6, VIP6, LOCAL, SERVERS[0]),
}
FORMS = [("44", "opp"), ("44", "ipo"), ("66", "opp"), ("46", "opp"), ("64", "opp")]


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def serve(director, way, port, form, local=None):
    """Make the service and return client, virtual and local address and real server."""
    client, vip, laddr, server = WAYS[way]
    service = f"-u {end(vip, port)}"
    director.restore([
        f"-A {service} -s rr", f"-P {service} -z {local or laddr}", f"-a {service} -r {end(server, port)} -b",
    ])
    introduce(director, "-u", port, uoa=form, vip=vip)
    return client, vip, laddr, server


@contextlib.contextmanager
def sender(topology, client, vip, port):
    """A client's socket."""
    with topology.client.entered():
        sock = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(5)
        sock.bind((client, 0))
        sock.connect((vip, port))
        yield sock


@pytest.mark.parametrize("way, form", FORMS)
def test_a_program_that_asks_is_told_the_client(topology, director, uoa, way, form):
    client, vip, local, server = serve(director, way, 5300, form)
    with program(topology.servers[0], server) as sock, sender(topology, client, vip, 5300) as near:
        for turn in range(5):
            near.send(b"turn %d" % turn)
            data, peer = sock.recvfrom(100)
            assert (data, peer[0]) == (b"turn %d" % turn, local)
            assert ask(sock, peer, (server, 5300)) == near.getsockname()[:2]
            sock.sendto(b"answer", peer)
            assert near.recv(100) == b"answer"


@pytest.mark.parametrize("way, form", FORMS)
def test_empty_datagrams_arrive_too(topology, director, uoa, way, form):
    client, vip, local, server = serve(director, way, 5301, form)
    with program(topology.servers[0], server, 5301) as sock, sender(topology, client, vip, 5301) as near:
        for _ in range(5):
            near.send(b"")
            data, peer = sock.recvfrom(100)
            assert (data, peer[0]) == (b"", local)
            assert ask(sock, peer, (server, 5301)) == near.getsockname()[:2]
            sock.sendto(b"", peer)
            assert near.recv(100) == b""
        near.send(b"mark")
        assert sock.recvfrom(100)[0] == b"mark", "and each of them once"


@pytest.mark.parametrize("offloads", ["off", "default"])
@pytest.mark.parametrize("size", [32, 1472, 9000])
@pytest.mark.parametrize("way, form", FORMS[:3])
def test_programs_get_their_clients_and_answer_them(topology, director, transparent, way, form, size, offloads):
    """9000 bytes come in fragments, and an address goes ahead of them."""
    client, vip, _, _ = serve(director, way, 80, form)
    topology.offloads(offloads)
    try:
        words = ("-n", 40, "-k", 8, "--size", size)
        seen = json.loads(topology.client.run("traffic", "udp", end(vip, 80), *words).stdout)
    finally:
        topology.offloads("default")
    assert seen["ok"] == 40 and seen["peers"] == {client: 40}
    assert seen["own_peer"] == 40, "the port, too"


@pytest.mark.parametrize("way", ["46", "64"])
def test_a_client_of_another_family_stays_the_directors(topology, director, transparent, way):
    _, vip, local, _ = serve(director, way, 80, "opp")
    seen = json.loads(topology.client.run("traffic", "udp", end(vip, 80), "-n", 8, "-k", 2).stdout)
    assert (seen["ok"], seen["peers"]) == (8, {local: 8})


def test_many_clients_over_several_local_addresses(topology, director, transparent):
    """The second address stays: IPVS keeps connections from it, and a later test may happen upon a port of theirs."""
    extra = "192.168.229.205"
    topology.director.ip(f"addr add {extra}/32 dev lo")
    serve(director, "44", 80, "opp")
    director.adm("-P", "-u", f"{VIP}:80", "-z", extra)
    words = ("-n", 400, "-k", 200, "--source-port", 20000)
    seen = json.loads(topology.client.run("traffic", "udp", f"{VIP}:80", *words).stdout)
    assert (seen["ok"], seen["own_peer"]) == (400, 400)
    wires = {wire.rpartition(":")[0] for wire in clients(topology.servers[0])}
    assert wires >= {LOCAL, extra}


def test_one_port_of_a_client_at_two_services(topology, director, transparent):
    """The program sees the same client twice; the answer is for the service that was asked last."""
    director.restore([
        *(f"{word} -u {VIP}:{port} {rest}" for port in (80, 82) for word, rest in (
            ("-A", "-s rr"), ("-P", f"-z {LOCAL}"), ("-a", f"-r {SERVERS[0]}:80 -b"))),
    ])
    for port in (80, 82):
        introduce(director, "-u", port, uoa="opp")
    with topology.client.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(5)
        sock.bind((CLIENT, 21000))
        for turn in range(12):
            port = (80, 82)[turn % 3 % 2]
            sock.sendto(b"turn %d" % turn, (VIP, port))
            assert sock.recvfrom(1000)[1] == (VIP, port)


def test_a_dns_server_answers_its_clients_and_logs_them(topology, director, transparent):
    serve(director, "44", 53, "opp")
    server = topology.servers[0]
    words = ("--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
             "--log-facility=-", "--log-queries", "--address=/www.example/192.0.2.80", "--bind-interfaces",
             f"--listen-address={SERVERS[0]}")
    dnsmasq = server.start("dnsmasq", *words)
    server.wait_for_port(53, "udp")
    question = b"\x03www\x07example\0" + struct.pack("!HH", 1, 1)
    try:
        with sender(topology, CLIENT, VIP, 53) as near:
            for number in range(5):
                near.send(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question)
                answer = near.recv(512)
                assert answer[:2] == struct.pack("!H", number) and answer.endswith(socket.inet_aton("192.0.2.80"))
    finally:
        dnsmasq.process.terminate()
        said = dnsmasq.process.communicate()[1]
    assert said.count(f"query[A] www.example from {CLIENT}") == 5
    assert LOCAL not in said
