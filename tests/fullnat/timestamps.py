# SPDX-License-Identifier: GPL-2.0
"""Time stamps carried with an offset: one clock for the server, each client's own for the client."""

import json

import pytest

from lib.options import introduce
from lib.packets import LINUX_SYN
from lib.packets import NOP
from lib.packets import SACK_PERMITTED
from lib.packets import mss
from lib.packets import timestamp
from lib.packets import toa
from lib.raw_client import RawClient
from lib.topology import SERVERS
from lib.topology import VIP
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import Conversation
from lib.wire import Wire

REMOVE = "net.ipv4.vs.fullnat_timestamp_remove_entry"
PORTS = ("net.ipv4.vs.fullnat_lport_min", "net.ipv4.vs.fullnat_lport_max")


@pytest.fixture(autouse=True)
def carry(topology):
    """Carry time stamps while the test runs."""
    topology.director.sysctl(REMOVE, 0)
    yield
    topology.director.sysctl(REMOVE, 1)


def stamp(packet):
    """TSval and TSecr of a packet."""
    value = packet.tcp.option(8)
    return int.from_bytes(value[:4]), int.from_bytes(value[4:])


def options(value, echo=0):
    return NOP * 2 + timestamp(value & 0xFFFFFFFF, echo)


def test_the_server_sees_one_clock_whatever_the_clients_have(wire):
    seen = []
    for number, clock in enumerate((3_000_000_000, 5, 0xFFFFFFFF, 1_000_000)):
        syn = Conversation(wire, 47000 + number).client("S", options=mss(1460) + options(clock))
        assert not syn.wrong_checksums()
        value, echo = stamp(syn)
        assert echo == 0
        seen.append(value)
    steps = [(after - before) & 0xFFFFFFFF for before, after in zip(seen, seen[1:], strict=False)]
    assert all(step < 10_000 for step in steps), f"{seen}: milliseconds of one clock, never backwards"


def test_each_end_gets_its_own_stamps_back(wire):
    talk = Conversation(wire, 47010)
    clock = 0xFFFFFFF0
    syn = talk.client("S", options=LINUX_SYN.replace(timestamp(1000), timestamp(clock)))
    shift = (stamp(syn)[0] - clock) & 0xFFFFFFFF
    assert shift
    again = talk.client("S", options=mss(1460) + options(clock + 1000), seq=talk.seq - 1)
    assert stamp(again)[0] == (clock + 1000 + shift) & 0xFFFFFFFF, "a retransmission is of the same clock"
    answer = talk.server("SA", options=mss(1460) + SACK_PERMITTED + timestamp(700, stamp(syn)[0]))
    assert stamp(answer) == (700, clock)
    for number, flags in enumerate(("A", "PA", "FPA", "RA"), 2):
        now = clock + 10 * number
        packet = talk.client(flags, b"data" if "P" in flags else b"", options=options(now, 700 + number))
        assert stamp(packet) == ((now + shift) & 0xFFFFFFFF, 700 + number) and not packet.wrong_checksums()


def test_the_servers_answers_echo_the_clients_clock(wire):
    talk = Conversation(wire, 47011)
    syn = talk.client("S", options=mss(1460) + options(77))
    talk.server("SA", options=mss(1460) + options(700, stamp(syn)[0]))
    data = talk.client("PA", b"data", options=options(177, 700))
    sack = bytes((5, 10)) + bytes((1, 2, 3, 4, 5, 6, 7, 8))
    answer = talk.server("PA", b"answer", options=options(800, stamp(data)[0]) + NOP * 2 + sack)
    assert stamp(answer) == (800, 177) and answer.tcp.option(5) == sack[2:], "nothing else is shifted"
    assert not answer.wrong_checksums()
    reset = talk.server("R", options=options(900, 12345), ack=0)
    assert stamp(reset) == (900, 12345), "an echo in a segment that acknowledges nothing says nothing"


def test_a_client_without_stamps_gets_none(wire):
    talk = Conversation(wire, 47012)
    syn, answer, ack = talk.open(options=mss(1460))
    assert (syn.tcp.options, answer.tcp.options) == (mss(1460), mss(1452))
    assert ack.tcp.options == toa(RAW_CLIENT, 47012)


def test_stamps_and_address_share_a_segment(director, wire):
    introduce(director, "-t", 81, toa="syn")
    talk = Conversation(wire, 47013)
    syn = talk.client("S", options=LINUX_SYN)
    assert syn.tcp.toas() == [(RAW_CLIENT, 47013)] and syn.tcp.words == 12
    shift = stamp(syn)[0] - 1000
    talk.server("SA", options=mss(1460) + options(700, stamp(syn)[0]))
    ack = talk.client("A", options=options(1001, 700))
    assert ack.tcp.toas() == [(RAW_CLIENT, 47013)] and stamp(ack) == ((1001 + shift) & 0xFFFFFFFF, 700)
    assert not ack.wrong_checksums()


def test_real_programs_keep_their_stamps_for_the_whole_connection(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 2, "--hold", "--size", 100000)
    assert json.loads(held.read_line())["ok"] == 2
    for namespace in (topology.client, *topology.servers):
        listing = namespace.run("ss", "-Htino", "state", "established").stdout
        assert " ts " in listing, f"both ends must have negotiated time stamps: {listing}"
    held.finish()


@pytest.mark.limit(90)
def test_a_time_wait_socket_takes_a_port_back_from_a_client_with_a_slower_clock(topology, director):
    """Without the offset the real server would take the second client's SYN for an old duplicate (PAWS)."""
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    wire = Wire(topology)
    default = [topology.director.sysctl(name) for name in PORTS]
    topology.director.sysctl(PORTS[0], 34000)
    topology.director.sysctl(PORTS[1], 34001)
    used = []
    try:
        for turn in range(5):
            client = RawClient(wire, 47100, 0x10000000 * (turn + 1), clock=0xE0000000 - turn * 0x20000000)
            client.open()
            used.append(client.local_port(client.let_server_close()))
            waiting = topology.servers[0].run("ss", "-Htn", "state", "time-wait").stdout
            assert f":{used[-1]}" in waiting
    finally:
        wire.close()
        topology.director.sysctl(PORTS[1], default[1])
        topology.director.sysctl(PORTS[0], default[0])
    assert len(set(used)) < len(used), "a port must have been used again"


def test_switching_over_leaves_connections_as_they_are(topology, wire):
    talk = Conversation(wire, 47014)
    syn = talk.client("S", options=mss(1460) + options(77))
    talk.server("SA", options=mss(1460) + options(700, stamp(syn)[0]))
    topology.director.sysctl(REMOVE, 1)
    later = talk.client("A", options=options(99, 700))
    assert stamp(later) == (stamp(syn)[0] + 22, 700)
    other = Conversation(wire, 47015).client("S", options=mss(1460) + options(77))
    assert other.tcp.option(8) is None
