# SPDX-License-Identifier: GPL-2.0
"""What uoa.ko makes of what is in front of a datagram, right and wrong."""

import socket

import pytest

from lib import modules
from lib.packets import IPv4
from lib.packets import Udp
from lib.topology import SERVERS
from lib.uoa import NEIGHBOUR
from lib.uoa import OPP
from lib.uoa import ask
from lib.uoa import clients
from lib.uoa import header
from lib.uoa import health
from lib.uoa import option
from lib.uoa import program
from lib.uoa import stats

CLIENT = ("203.0.113.7", 51234)
CLIENT6 = ("2001:db8::7", 51234)
V4, V6 = option(*CLIENT), option(*CLIENT6)
LOCAL = (SERVERS[0], 5300)


@pytest.fixture
def server(topology, uoa):
    """A program that has learned of no client yet."""
    with program(topology.servers[0], SERVERS[0]) as sock:
        yield sock


@pytest.mark.parametrize("port, front, options, client", [
    (4001, header(V4), b"", CLIENT),
    (4002, header(V6, 2), b"", CLIENT6),
    (4003, b"", V4, CLIENT),
    (4004, header(b"\x01" * 4 + V4 + b"\0" * 4), b"", CLIENT),
    (4005, b"", b"\x01\x94\x04\0\0" + V4 + b"\0" * 3, CLIENT),
    (4006, header(V4), b"\x94\x04\0\0", CLIENT),
    (4007, header(V4 + option("198.51.100.1", 1)), b"", CLIENT),
], ids=["opp", "opp with IPv6", "ipo", "opp among others", "ipo among others", "opp behind ipo", "the first of two"])
def test_a_program_that_asks_is_told_the_client(neighbour, server, port, front, options, client):
    neighbour.send(b"data", port, front=front, options=options)
    assert server.recvfrom(100) == (b"data", (NEIGHBOUR, port)), "as it came on the wire"
    assert ask(server, (NEIGHBOUR, port), LOCAL) == client
    assert ask(server, (NEIGHBOUR, port), ("0.0.0.0", 5300)) == client, "whichever address it came to"
    neighbour.send(b"more", port)
    assert server.recvfrom(100)[0] == b"more" and ask(server, (NEIGHBOUR, port), LOCAL) == client


@pytest.mark.parametrize("port, front, options", [
    (4020, b"", b"\x1f\x07\xc8\x22\xcb\0\x71\0"),
    (4021, b"", b"\x94\x04\0\0" + b"\0" * 4 + V4),
    (4022, header(b""), b""),
    (4023, header(V4, 2), b""),
    (4024, header(V6, 1), b""),
    (4025, header(b"\x1f\x08\xc8\x22"), b""),
    (4026, header(b"\x1f\0" + V4 + b"\0\0"), b""),
    (4027, header(b"\x1f\x01" + V4 + b"\0\0"), b""),
    (4028, header(b"\x1f\xff" + V4 + b"\0\0"), b""),
    (4029, header(b"\x07\x06\0\0" + V4), b""),
    (4030, header(b"\0" * 4 + V4), b""),
    (4031, header(option("127.0.0.1", 9)), b""),
    (4032, header(option("224.0.0.1", 9)), b""),
    (4033, header(option("203.0.113.7", 0)), b""),
    (4034, header(option("::1", 9), 2), b""),
    (4035, header(option("::ffff:127.0.0.1", 9), 2), b""),
], ids=[
    "ipo of length 7", "ipo behind the end", "opp without options", "IPv4 in version 2", "IPv6 in version 1",
    "opp cut off", "length 0", "length 1", "length 255", "overlapping", "opp behind the end", "loopback", "multicast",
    "port 0", "loopback of IPv6", "loopback in IPv6",
])
def test_without_an_address_a_datagram_is_just_that(topology, neighbour, server, port, front, options):
    before = stats(topology.servers[0])
    neighbour.send(b"data", port, front=front, options=options)
    assert server.recvfrom(100) == (b"data", (NEIGHBOUR, port))
    assert ask(server, (NEIGHBOUR, port), LOCAL) == "No such file or directory"
    after = stats(topology.servers[0])
    assert (after["None"], after["Got"]) == (before["None"] + 1, before["Got"])


@pytest.mark.parametrize("front", [
    header(V4, length=0), header(V4, length=3), header(V4, length=11), header(V4, length=24), header(V4, length=0xFFFF),
    header(V4, length=0x0C00), header(V4, 3), header(V4, 0), header(V4, protocol=6), header(V4, protocol=OPP),
], ids=[
    "length 0", "length 3", "length 11", "length past the packet", "length 65535", "length in the wrong order",
    "version 3", "version 0", "TCP behind", "itself behind",
])
def test_a_header_that_makes_no_sense_ends_the_datagram(topology, neighbour, server, front):
    before = health(topology.servers[0])["headers_malformed"]
    neighbour.send(b"lost", 4050, front=front)
    neighbour.send(b"next", 4050)
    assert server.recvfrom(100)[0] == b"next"
    assert health(topology.servers[0])["headers_malformed"] == before + 1


@pytest.mark.parametrize("length", range(20))
def test_a_packet_may_end_anywhere(topology, neighbour, server, length):
    whole = header(V4) + b"\x0f\xa0\x14\xb4\0\x08\0\0"
    neighbour.tap.send(IPv4(NEIGHBOUR, SERVERS[0], OPP, whole[:length]), neighbour.mac)
    neighbour.send(b"next", 4051)
    assert server.recvfrom(100)[0] == b"next"


@pytest.mark.parametrize("port, front, options", [(4060, header(V4), b""), (4061, b"", V4)], ids=["opp", "ipo"])
def test_an_address_that_goes_ahead_is_no_datagram(topology, neighbour, server, port, front, options):
    before = health(topology.servers[0])["introductions_alone"]
    neighbour.send(b"", port, front=front, options=options)
    neighbour.send(b"data", port)
    assert server.recvfrom(100) == (b"data", (NEIGHBOUR, port))
    assert ask(server, (NEIGHBOUR, port), LOCAL) == CLIENT
    assert health(topology.servers[0])["introductions_alone"] == before + 1


def test_an_empty_datagram_without_an_address_arrives(neighbour, server):
    neighbour.send(b"", 4062)
    assert server.recvfrom(100) == (b"", (NEIGHBOUR, 4062))


def test_a_header_in_fragments_is_read_when_they_are_together(neighbour, server):
    whole = header(V4) + Udp(4063, 5300, b"f" * 3000).build(NEIGHBOUR, SERVERS[0])
    for offset in (1600, 0, 800, 2400):
        piece = whole[offset:offset + 800]
        packet = IPv4(NEIGHBOUR, SERVERS[0], OPP, piece, offset=offset, dont_fragment=False, identification=77,
                      more_fragments=offset + len(piece) < len(whole))
        neighbour.tap.send(packet, neighbour.mac)
    assert server.recvfrom(4000) == (b"f" * 3000, (NEIGHBOUR, 4063))
    assert ask(server, (NEIGHBOUR, 4063), LOCAL) == CLIENT


def test_a_port_that_goes_to_another_client_is_known_as_that_ones(topology, neighbour, server):
    for client in (CLIENT, CLIENT6, ("198.51.100.9", 9), CLIENT):
        version = 2 if ":" in client[0] else 1
        neighbour.send(b"data", 4064, front=header(option(*client), version))
        server.recvfrom(100)
        assert ask(server, (NEIGHBOUR, 4064), LOCAL) == client
    assert clients(topology.servers[0])[f"{NEIGHBOUR}:4064"] == ("203.0.113.7:51234", f"{SERVERS[0]}:5300")


def test_what_a_program_asks_is_counted_and_must_be_a_flow(topology, neighbour, server):
    neighbour.send(b"data", 4065, front=header(V4))
    server.recvfrom(100)
    before = stats(topology.servers[0])
    peer = (NEIGHBOUR, 4065)
    assert ask(server, peer, LOCAL) == CLIENT
    assert ask(server, (NEIGHBOUR, 4066), LOCAL) == "No such file or directory"
    assert ask(server, peer, (SERVERS[0], 5301)) == "No such file or directory"
    assert ask(server, peer, (SERVERS[1], 5300)) == "No such file or directory"
    assert ask(server, peer, LOCAL, length=57) == "Invalid argument"
    assert ask(server, peer, LOCAL, family=socket.AF_UNIX) == "Invalid argument"
    after = stats(topology.servers[0])
    assert [after[name] - before[name] for name in ("Success", "Miss", "Invalid")] == [1, 3, 2]


def test_a_socket_for_both_families_asks_in_either(topology, neighbour):
    server = topology.servers[0]
    server.sysctl("net.ipv6.conf.lo.disable_ipv6", 0)
    with program(server, "::", 5302) as sock:
        neighbour.send(b"data", 4067, to=5302, front=header(V4))
        peer = sock.recvfrom(100)[1]
        assert peer[:2] == (f"::ffff:{NEIGHBOUR}", 4067)
        assert ask(sock, peer, (f"::ffff:{SERVERS[0]}", 5302)) == CLIENT
        assert ask(sock, peer, ("::", 5302)) == CLIENT
        assert ask(sock, (NEIGHBOUR, 4067), (SERVERS[0], 5302)) == CLIENT


def test_the_statistics_have_the_texts_people_parse(topology, neighbour, server):
    neighbour.send(b"data", 4068, front=header(V4))
    server.recvfrom(100)
    heading, row = topology.servers[0].read("/proc/net/uoa_stats").splitlines()
    assert heading == " Success     Miss  Invalid|UOA  Got     None    Saved Ack-Fail"
    total = [int(row[at:at + 8]) for at in range(0, 63, 9)]
    assert len(row) == 62 and set(row[8::9]) == {" "}
    heading, *rows = topology.servers[0].read("/proc/net/uoa_stats_percpu").splitlines()
    assert heading == "CPU  Success     Miss  Invalid|UOA  Got     None    Saved Ack-Fail"
    assert [row[:5] for row in rows] == [f"{number:3X}  " for number in range(len(rows))]
    parts = [[int(row[at:at + 8]) for at in range(5, 68, 9)] for row in rows]
    assert [sum(column) for column in zip(*parts, strict=True)] == total


def test_another_namespace_knows_nothing_of_it(topology, neighbour, server):
    other = topology.servers[1]
    before = other.read("/proc/net/uoa_stats")
    neighbour.send(b"data", 4069, front=header(V4))
    server.recvfrom(100)
    assert other.read("/proc/net/uoa_stats") == before and clients(other) == {}
    with program(other, "0.0.0.0") as sock:
        assert ask(sock, (NEIGHBOUR, 4069), LOCAL) == "No such file or directory"


def test_it_all_goes_with_the_module(topology, uoa):
    modules.remove("uoa")
    with pytest.raises(FileNotFoundError):
        stats(topology.servers[0])
    with program(topology.servers[0], SERVERS[0]) as sock:
        assert ask(sock, (NEIGHBOUR, 4069), LOCAL) == "Protocol not available"
    modules.insert("uoa")
