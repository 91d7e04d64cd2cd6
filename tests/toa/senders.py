# SPDX-License-Identifier: GPL-2.0
"""Senders of all ages: which segment names the client, and by what option."""

import socket
import struct
from pathlib import Path

import pytest

from lib import modules
from lib.neighbour import NEIGHBOUR
from lib.neighbour import accepted
from lib.neighbour import health
from lib.neighbour import listener
from lib.packets import ACK
from lib.packets import PSH
from lib.packets import SYN
from lib.packets import mss
from lib.packets import toa as option

CLIENT = ("203.0.113.7", 51234)
OTHER = ("198.51.100.1", 4242)
FAST_OPEN = b"\x22\x02\x01\x01"


def said(client):
    return (f"{client[0]}:{client[1]}",) * 2


def wide_option(kind, length, client="2001:db8::7", port=51234):
    """An option of any kind and length that names a client: with a port, or a byte of version instead."""
    address = socket.inet_aton(CLIENT[0]) if length < 10 else socket.inet_pton(socket.AF_INET6, client)
    middle = b"\x01" if length in (7, 19) else struct.pack("!H", port)
    return bytes((kind, length)) + middle + address + b"\x01" * (-length % 4)


@pytest.fixture
def cookies(topology):
    """The server answers every SYN with a cookie and forgets it."""
    server = topology.servers[0]
    before = server.mib("TcpExtSyncookiesRecv")
    server.sysctl("net.ipv4.tcp_syncookies", 2)
    yield
    server.sysctl("net.ipv4.tcp_syncookies", 1)
    assert server.mib("TcpExtSyncookiesRecv") > before


def test_what_the_syn_says_counts_when_the_ack_says_nothing(topology, neighbour):
    before = health(topology.servers[0])["options_from_syn"]
    assert neighbour.ask(50100, on_syn=mss(1460) + option(*CLIENT)) == said(CLIENT)
    assert health(topology.servers[0])["options_from_syn"] == before + 1


def test_what_the_ack_says_wins(neighbour):
    assert neighbour.ask(50101, on_syn=option(*OTHER), on_ack=option(*CLIENT)) == said(CLIENT)


def test_a_syn_that_comes_again_changes_nothing(neighbour):
    neighbour.begin(50102, option(*CLIENT))
    assert neighbour.ask(50102, on_syn=option(*OTHER)) == said(CLIENT)


def test_the_last_syn_of_two_counts_with_syn_cookies(neighbour, cookies):
    neighbour.begin(50114, mss(1460) + option(*OTHER))
    assert neighbour.ask(50114, on_syn=mss(1460) + option(*CLIENT)) == said(CLIENT)


def test_the_syn_counts_when_the_bare_ack_was_lost(neighbour):
    assert neighbour.ask(50103, on_syn=option(*CLIENT), bare_ack=False) == said(CLIENT)


def test_the_syn_counts_with_syn_cookies(neighbour, cookies):
    assert neighbour.ask(50104, on_syn=mss(1460) + option(*CLIENT)) == said(CLIENT)


def test_the_ack_counts_with_syn_cookies(neighbour, cookies):
    assert neighbour.ask(50105, on_ack=option(*CLIENT)) == said(CLIENT)


def test_the_syn_of_another_connection_between_the_same_ends_counts_for_nothing(neighbour):
    neighbour.begin(50106, option(*OTHER), seq=70000)
    neighbour.reset(50106, seq=70001)
    assert neighbour.ask(50106) == said((NEIGHBOUR, 50106))


def test_what_a_syn_said_is_said_once(neighbour):
    assert neighbour.ask(50107, on_syn=option(*CLIENT)) == said(CLIENT)
    assert neighbour.ask(50107) == said((NEIGHBOUR, 50107))


def test_a_flood_of_syns_costs_nothing_but_what_they_said(topology, neighbour):
    before = health(topology.servers[0])["syns_forgotten"]
    for number in range(5000):
        neighbour.send(1024 + number, SYN, 1000, options=option(*OTHER), to=81)
    neighbour.send(50108, SYN, 1000, options=option(*OTHER), to=81)
    neighbour.receive(50108, lambda tcp: tcp.flags & ACK, "reset")
    # Nobody listens on port 81, so these were no beginnings. Now for real: more than there is room for.
    assert health(topology.servers[0])["syns_forgotten"] == before
    with listener(topology.servers[0]):
        for number in range(6000):
            neighbour.send(1024 + number, SYN, 1000, options=option(*OTHER), to=8080)
        neighbour.begin(50109, to=8080)
    assert health(topology.servers[0])["syns_forgotten"] >= before + 6000 - 4096
    assert neighbour.ask(50110, on_syn=option(*CLIENT)) == said(CLIENT)


def test_the_first_data_counts_when_the_server_waits_for_it(topology, neighbour):
    with listener(topology.servers[0], tcp_defer_accept=5) as listening:
        answer = neighbour.connect(50111, 8080, on_ack=option(*OTHER))
        neighbour.send(50111, PSH | ACK, 1001, answer, b"data", option(*CLIENT), to=8080)
        assert accepted(listening) == CLIENT
        neighbour.reset(50111, 8080, 1005)


def test_the_syn_counts_with_fast_open(topology, neighbour):
    server = topology.servers[0]
    # Bit 0x200: data in a SYN is accepted from everyone, without a cookie.
    before = server.sysctl("net.ipv4.tcp_fastopen", 0x202)
    try:
        with listener(server, tcp_fastopen=8) as listening:
            neighbour.begin(50112, option(*CLIENT), 8080, data=b"data")
            connection, name = listening.accept()
            with connection:
                assert connection.recv(10) == b"data", "before the handshake is over"
                assert name == connection.getpeername() == CLIENT
            neighbour.reset(50112, 8080, 1005)
    finally:
        server.sysctl("net.ipv4.tcp_fastopen", before)


DEFAULT = [(254, 8), (254, 20), (253, 20), (200, 8)]


@pytest.mark.parametrize("length", [7, 8, 19, 20])
@pytest.mark.parametrize("kind", [254, 253, 252, 200, 28, 99])
def test_by_default_the_options_of_the_known_senders_are_read_and_no_others(topology, neighbour, kind, length):
    port = 51000 + kind * 20 + length
    with listener(topology.servers[0], family=socket.AF_INET6) as listening:
        neighbour.connect(port, 8080, on_ack=wide_option(kind, length))
        name = (f"::ffff:{CLIENT[0]}" if length == 8 else "2001:db8::7", CLIENT[1])
        wanted = name if (kind, length) in DEFAULT else (f"::ffff:{NEIGHBOUR}", port)
        assert accepted(listening) == wanted
        neighbour.reset(port, 8080)


def test_the_first_of_several_kinds_wins(topology, neighbour):
    first = wide_option(200, 8)
    with listener(topology.servers[0]) as listening:
        neighbour.connect(50113, 8080, on_ack=b"\x1c\x07\x01abcd\x01" + first + option(*OTHER))
        assert accepted(listening) == CLIENT
        neighbour.reset(50113, 8080)


@pytest.fixture
def told():
    """A function that loads the module anew with a parameter; afterwards it is as before."""
    def load(kinds):
        modules.remove("toa")
        modules.insert("toa", f'kinds="{kinds}"')
    yield load
    if modules.loaded("toa"):
        modules.remove("toa")
    modules.insert("toa")


def test_other_kinds_are_read_by_a_parameter(topology, neighbour, told):
    told("28/7 28/19,252/8")
    assert Path("/sys/module/toa/parameters/kinds").read_text(encoding="ascii") == "28/7 28/19,252/8\n"
    with listener(topology.servers[0], family=socket.AF_INET6) as listening:
        for port, kind, length, name in [
            # No port in the option: the port is that on the wire.
            (50120, 28, 7, (f"::ffff:{CLIENT[0]}", 50120)), (50121, 28, 19, ("2001:db8::7", 50121)),
            (50122, 252, 8, (f"::ffff:{CLIENT[0]}", CLIENT[1])), (50123, 254, 8, (f"::ffff:{NEIGHBOUR}", 50123)),
        ]:
            neighbour.connect(port, 8080, on_ack=wide_option(kind, length))
            assert accepted(listening) == name
            neighbour.reset(port, 8080)


@pytest.mark.parametrize("kinds", ["nonsense", "254", "254/9", "2/8", "8/20", "256/8"])
def test_a_parameter_that_makes_no_sense_is_refused(neighbour, told, kinds):
    with pytest.raises(OSError, match="Invalid argument"):
        told(kinds)
