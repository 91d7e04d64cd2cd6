# SPDX-License-Identifier: GPL-2.0
"""A client that comes back with the port of a connection that the director still has."""

import pytest

from lib.packets import ACK
from lib.packets import LINUX_SYN
from lib.packets import SYN
from lib.packets import mss
from lib.raw_client import RawClient
from lib.topology import SERVERS
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import Conversation
from lib.wire import Wire

REUSE = "net.ipv4.vs.conn_reuse_mode"


@pytest.fixture
def kept(topology):
    """Let IPVS keep connections that are over, whatever comes."""
    default = topology.director.sysctl(REUSE)
    topology.director.sysctl(REUSE, 0)
    yield
    topology.director.sysctl(REUSE, default)


def test_a_time_wait_socket_takes_the_same_connection_again(topology, director, kept):
    """Five connections on one port of one flow, each with a number that the real server would refuse."""
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    wire = Wire(topology)
    rebased = director.counters()["fullnat_conn_rebased"]
    used = []
    try:
        for turn in range(5):
            client = RawClient(wire, 48000, 0xF0000000 - turn * 0x10000000)
            client.open()
            used.append(client.local_port(client.let_server_close()))
            waiting = topology.servers[0].run("ss", "-Htn", "state", "time-wait").stdout
            assert f":{used[-1]}" in waiting, "the real server must remember the port"
    finally:
        wire.close()
    assert len(set(used)) == 1, "it must have been one connection of the director's"
    assert director.counters()["fullnat_conn_rebased"] == rebased + 4


def test_a_retransmitted_syn_keeps_the_shift_of_the_new_connection(topology, director, kept):
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    wire = Wire(topology)
    try:
        first = RawClient(wire, 48001, 0x90000000)
        first.open()
        first.let_server_close()
        second = RawClient(wire, 48001, 0x50000000)
        answer = second.open()
        second.send("S", seq=second.seq - 1)
        again = second.receive("answer to the retransmission")
        assert (again.flags & ACK, again.ack) == (ACK, second.seq)
        assert again.seq in (answer.seq, answer.seq + 1)
        assert b" " in second.let_server_close()
    finally:
        wire.close()


def closed(wire, sport):
    """A connection that both ends have closed, the server first."""
    talk = Conversation(wire, sport)
    talk.open()
    talk.server("FA")
    talk.client("FA")
    talk.server("A")
    return talk


def test_a_new_syn_is_introduced_again(wire, kept):
    talk = closed(wire, 48002)
    last = talk.seen_seq
    talk.seq -= 0x10000000
    syn = talk.client("S", options=LINUX_SYN)
    assert 0 < (syn.tcp.seq - last) & 0xFFFFFFFF < 0x80000000, "beyond what the server remembers"
    assert syn.tcp.flags == SYN and not syn.wrong_checksums()
    answer = talk.server("SA", options=mss(1460))
    assert answer.tcp.ack == talk.seq & 0xFFFFFFFF
    assert talk.client("A").tcp.toas() == [(RAW_CLIENT, 48002)]


def test_a_new_syn_that_the_server_takes_as_it_is_stays_as_it_is(wire, kept):
    talk = closed(wire, 48003)
    talk.seq += 1000
    assert talk.client("S", options=LINUX_SYN).tcp.seq == talk.seq - 1


def test_a_syn_in_the_middle_of_a_connection_harms_nobody(wire, kept):
    """Anybody can send one in the client's name."""
    talk = Conversation(wire, 48004)
    talk.open()
    foreign = (talk.seq - 0x20000000) & 0xFFFFFFFF
    stranger = talk.client("S", options=LINUX_SYN, seq=foreign)
    assert stranger.tcp.seq == foreign, "for the server to judge (RFC 5961)"
    assert talk.client("PA", b"data").tcp.seq == talk.seq - 4
    talk.seen_seq = talk.seq
    assert talk.server("A").tcp.ack == talk.seq


def test_a_server_that_resets_is_done_with_the_port(wire, kept):
    talk = Conversation(wire, 48005)
    talk.client("S", options=LINUX_SYN)
    talk.server("RA")
    talk.seq -= 5000
    syn = talk.client("S", options=LINUX_SYN)
    assert syn.tcp.flags == SYN
    talk.server("SA", options=mss(1460))
    assert talk.client("A").tcp.toas() == [(RAW_CLIENT, 48005)]


def test_a_client_comes_back_while_the_table_of_connections_is_resized(topology, director):
    """IPVS's lookup finds the connection that it has just ended in front of the one it has made in its place."""
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    factor = topology.director.sysctl("net.ipv4.vs.conn_lfactor")
    wire = Wire(topology)
    try:
        for turn in range(40):
            client = RawClient(wire, 48010, 0x10000000 * turn)
            # Another factor is another size: the table is replaced while the SYN comes.
            topology.director.sysctl("net.ipv4.vs.conn_lfactor", 6 if turn % 2 else -6)
            opened = client.open_at_last()
            assert opened.flags == SYN | ACK, f"the real server answered a client that came back with {opened}"
            assert b" " in client.let_server_close(), "the connection goes on as it has begun"
    finally:
        topology.director.sysctl("net.ipv4.vs.conn_lfactor", factor)
        wire.close()
