# SPDX-License-Identifier: GPL-2.0
"""Transparent mode among what else there is on a real server: stateful firewalls, rp_filter, sockets of both families,
and headers of IPv6 that make no sense."""

import struct

import pytest

from lib.ip import Packet
from lib.ip import summed
from lib.six import SERVER6
from lib.six import add_ipv6
from lib.topology import SERVERS
from lib.uoa import NEIGHBOUR
from lib.uoa import OPP
from lib.uoa import UDP
from lib.uoa import header
from lib.uoa import option
from lib.uoa import program

CLIENT, CLIENT6 = ("203.0.113.7", 51234), ("2001:db8::7", 51234)
NEIGHBOUR6 = "2001:db8:229::50"
FRONT, V6 = header(option(*CLIENT)), option(*CLIENT6)
FRONT6 = header(V6, 2)
HOP, DESTINATION, FRAGMENT = 0, 60, 44
RULES = """table inet fw {{
    chain i {{ type filter hook input priority 0; policy drop; iif lo accept; meta l4proto ipv6-icmp accept;
        ct state established accept; ct state invalid drop; {input} }}
    chain o {{ type filter hook output priority 0; policy drop; oif lo accept; meta l4proto ipv6-icmp accept;
        ct state established accept; {output} }}
}}"""

pytestmark = pytest.mark.usefixtures("families", "shown")


@pytest.fixture(scope="module")
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


def converse(neighbour, server, port, front=b"", options=b""):
    """Some datagrams and their answers, of which the first three name the client."""
    for turn in range(6):
        said = turn < 3
        neighbour.send(b"turn %d" % turn, port, front=front if said else b"", options=options if said else b"")
        assert server.recvfrom(100) == (b"turn %d" % turn, CLIENT)
        server.sendto(b"answer %d" % turn, CLIENT)
        packet = neighbour.receive(port)
        assert not packet.wrong_checksums()
        assert (packet.source, packet.udp.sport, packet.udp.data) == (SERVERS[0], 5300, b"answer %d" % turn)


@pytest.mark.parametrize("port, front, options, rules", [
    (4600, FRONT, b"", {"input": "meta l4proto 248 accept;", "output": "udp sport 5300 accept;"}),
    (4601, b"", option(*CLIENT), {"input": "udp dport 5300 accept;", "output": ""}),
], ids=["opp", "ipo"])
def test_behind_a_firewall_that_keeps_states(topology, neighbour, server, port, front, options, rules):
    """Of a header nobody says what is behind it: the first datagrams and the first answer are connections of their
    own, and what follows belongs to the answer's."""
    host = topology.servers[0]
    host.run("nft", "-f", "-", input=RULES.format(**rules))
    try:
        converse(neighbour, server, port, front, options)
        # Of the wire, in both directions.
        table = host.run("conntrack", "-L", "-p", "udp").stdout
        assert f"src={NEIGHBOUR} " in table and CLIENT[0] not in table
    finally:
        host.run("nft", "delete table inet fw")


@pytest.mark.parametrize("strictness", [1, 2])
def test_with_a_filter_of_reverse_paths(topology, neighbour, server, strictness):
    """It looks at what is on the wire: the director's address, and the way to it."""
    host = topology.servers[0]
    names = [f"net.ipv4.conf.{name}.rp_filter" for name in ("all", "eth0", "away")]
    before = [host.sysctl(name, strictness) for name in names]
    try:
        converse(neighbour, server, 4602 + 2 * strictness, FRONT)
        converse(neighbour, server, 4603 + 2 * strictness, options=option(*CLIENT))
    finally:
        for name, value in zip(names, before, strict=True):
            host.sysctl(name, value)


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_socket_of_both_families_has_ipv4_clients_too(topology, neighbour, is_connected):
    """One that connects is bound to the address that clients come to, or it would take that of the route."""
    mapped, port = f"::ffff:{CLIENT[0]}", 4610 + is_connected
    with program(topology.servers[0], f"::ffff:{SERVERS[0]}" if is_connected else "::") as sock:
        neighbour.send(b"first", port, front=FRONT)
        data, name = sock.recvfrom(100)
        assert (data, name[:2]) == (b"first", (mapped, CLIENT[1]))
        if is_connected:
            sock.connect(name)
        for turn in range(3):
            if is_connected:
                sock.send(b"answer")
            else:
                sock.sendto(b"answer", name)
            packet = neighbour.receive(port)
            assert (packet.source, packet.udp.data) == (SERVERS[0], b"answer") and not packet.wrong_checksums()
            neighbour.send(b"more %d" % turn, port)
            assert sock.recvfrom(100)[0] == b"more %d" % turn


def datagram6(port, data):
    """A datagram over IPv6, with its checksum."""
    message = struct.pack("!HHHH", port, 5300, 8 + len(data), 0) + data
    return summed(NEIGHBOUR6, SERVER6, UDP, message, 6)


def send6(neighbour, port, data, *fronts):
    """Send a datagram over IPv6 behind headers; each is its number and its bytes, whose first says what is next, but
    for one of protocol 248, which says so itself."""
    payload, following = datagram6(port, data), UDP
    for number, content in reversed(fronts):
        payload = (content if number == OPP else bytes((following,)) + content) + payload
        following = number
    raw6(neighbour, Packet(NEIGHBOUR6, SERVER6, following, payload).build())


def raw6(neighbour, packet):
    """Send a packet of IPv6."""
    frame = neighbour.mac + neighbour.tap.mac + struct.pack("!H", 0x86DD) + packet
    neighbour.tap.socket.send(frame)


PADDING = b"\0\x01\x04\0\0\0\0"
HEADER = (OPP, FRONT6)


@pytest.mark.parametrize("port, fronts", [
    (4620, [HEADER]), (4621, [(HOP, PADDING), HEADER]), (4622, [(DESTINATION, PADDING), HEADER]),
    (4624, [(HOP, PADDING), (DESTINATION, PADDING), HEADER]),
    (4625, [(OPP, header(b"\x01" * 4 + V6 + b"\0" * 4, 2))]),
], ids=["alone", "behind hop-by-hop", "behind options", "behind both", "among others"])
def test_over_ipv6_the_header_is_found_behind_others(topology, neighbour, port, fronts):
    with program(topology.servers[0], "::") as sock:
        send6(neighbour, port, b"data", *fronts)
        assert sock.recvfrom(100)[0:2] == (b"data", (*CLIENT6, 0, 0))
        send6(neighbour, port, b"more")
        assert sock.recvfrom(100)[0:2] == (b"more", (*CLIENT6, 0, 0))


def test_over_ipv6_it_may_come_in_fragments(topology, neighbour):
    whole = FRONT6 + datagram6(4630, b"f" * 64)
    with program(topology.servers[0], "::") as sock:
        for offset in range(0, len(whole), 8):
            more = offset + 8 < len(whole)
            piece = struct.pack("!BBHI", OPP, 0, offset | more, 7) + whole[offset:offset + 8]
            raw6(neighbour, Packet(NEIGHBOUR6, SERVER6, FRAGMENT, piece).build())
        assert sock.recvfrom(100)[0:2] == (b"f" * 64, (*CLIENT6, 0, 0))


@pytest.mark.parametrize("content", [
    b"", b"\x20", b"\x20\x11\0", header(V6, 2, length=0), header(V6, 2, length=3), header(V6, 2, length=10),
    header(V6, 2, length=400), header(V6, 2, length=65535), header(V6, 2)[:12],
    *(front + datagram6(4640, b"nonsense") for front in (
        header(V6, 0), header(V6, 15), header(V6, 2, protocol=6), header(V6, 2, protocol=OPP),
        header(V6, 2, length=26) + b"\0\0",
    )), FRONT6, FRONT6 + b"\x12\x34",
    FRONT6 + struct.pack("!HHHH", 4640, 5300, 9, 0), FRONT6 + struct.pack("!HHHH", 4640, 5300, 7, 0),
], ids=str)
def test_over_ipv6_what_makes_no_sense_goes_nowhere(topology, neighbour, content):
    """A header that ends early, lies, or has nothing behind it; alone, and behind a header of options."""
    with program(topology.servers[0], "::") as sock:
        raw6(neighbour, Packet(NEIGHBOUR6, SERVER6, OPP, content).build())
        raw6(neighbour, Packet(NEIGHBOUR6, SERVER6, DESTINATION, bytes((OPP,)) + PADDING + content).build())
        send6(neighbour, 4641, b"mark")
        data, name = sock.recvfrom(100)
        assert (data, name[:2]) == (b"mark", (NEIGHBOUR6, 4641))
