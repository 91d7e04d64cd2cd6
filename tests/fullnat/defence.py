# SPDX-License-Identifier: GPL-2.0
"""What belongs to no connection is dropped, counted under its reason, and never answered by the director's stack."""

import contextlib
import os
import socket
import struct
from pathlib import Path

import pytest

from lib.ends import CLIENT
from lib.ends import LOCAL
from lib.ends import SERVER
from lib.ends import VIP
from lib.ends import Ends
from lib.ip import ICMP
from lib.ip import ICMP6
from lib.ip import TCP
from lib.ip import UDP
from lib.ip import Packet
from lib.ip import summed
from lib.namespace import run
from lib.packets import FLAGS
from lib.packets import checksum

SERVED, CLOSED, OWN, SPORT = 80, 9999, 2222, 40000
TRACING = Path("/sys/kernel/tracing")
EVENT = "events/ip_vs_flow/ip_vs_flow_drop"


_TRACKING = """
table inet tracking {
    chain input {
        type filter hook input priority 0
        ct state established accept
    }
}
"""


@pytest.fixture(scope="module")
def ends():
    """A director whose VIPs serve TCP only, on one port."""
    ends = Ends()
    try:
        rules = []
        for family in (4, 6):
            vip, server = (f"[{a}]:{SERVED}" if family == 6 else f"{a}:{SERVED}" for a in (VIP[family], SERVER[family]))
            rules += [f"-A -t {vip} -s rr", f"-P -t {vip} -z {LOCAL[family]}", f"-a -t {vip} -r {server} -b"]
        ends.director.run("rsipvsadm", "-R", input="\n".join(rules) + "\n")
        yield ends
    finally:
        ends.delete()


@contextlib.contextmanager
def setting(ends, name, value):
    """A sysctl of IPVS for a while."""
    before = ends.director.sysctl(f"net.ipv4.vs.{name}", value)
    try:
        yield
    finally:
        ends.director.sysctl(f"net.ipv4.vs.{name}", before)


def segment(family, flags, dport, seq=1000, ack=2000, data=b""):
    bits = sum(FLAGS[flag] for flag in flags)
    message = struct.pack("!HHIIBBHHH", SPORT, dport, seq, ack if bits & 16 else 0, 5 << 4, bits, 65000, 0, 0) + data
    source, destination = CLIENT[family], VIP[family]
    return Packet(source, destination, TCP, summed(source, destination, TCP, message, 16))


def datagram(family, dport):
    message = struct.pack("!HHHH", SPORT, dport, 12, 0) + b"data"
    source, destination = CLIENT[family], VIP[family]
    return Packet(source, destination, UDP, summed(source, destination, UDP, message, 6))


def sent(ends, packet):
    """Send a packet; what came of it near and far, and which counters it moved."""
    ends.settle()
    for tap in (ends.near, ends.far):
        tap.read()
    before = ends.counters()
    ends.near.send(packet)
    ends.settle()
    moved = {name: value - before[name] for name, value in ends.counters().items() if value != before[name]}
    return ends.near.read(), ends.far.read(), moved


STRAYS = [
    *((lambda family, flags=flags: segment(family, flags, CLOSED), "defence_tcp_drop") for flags in ("A", "FA", "SA")),
    (lambda family: segment(family, "PA", SERVED), "fullnat_no_conn"),
    (lambda family: datagram(family, SERVED), "defence_udp_drop"),
    (lambda family: datagram(family, CLOSED), "defence_udp_drop"),
]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("make, reason", STRAYS)
def test_a_stray_is_dropped_and_counted_once(ends, family, make, reason):
    assert sent(ends, make(family)) == ([], [], {reason: 1})


@pytest.mark.parametrize("family", [4, 6])
def test_without_the_defence_the_directors_stack_answers(ends, family):
    with setting(ends, "defence_tcp_drop", 0), setting(ends, "defence_udp_drop", 0):
        [reset], far, moved = sent(ends, segment(family, "A", CLOSED))
        assert (reset.protocol, reset.source, reset.payload[13] & 4, far, moved) == (TCP, VIP[family], 4, [], {})
        [error], far, moved = sent(ends, datagram(family, CLOSED))
        unreachable = (3, 3) if family == 4 else (1, 4)
        assert error.protocol == (ICMP if family == 4 else ICMP6)
        assert (tuple(error.payload[:2]), far, moved) == (unreachable, [], {})


@pytest.fixture
def tracking(ends):
    """Connections are tracked, so that fragments are put together before anybody sees them."""
    ends.director.run("nft", "-f", "-", input=_TRACKING)
    yield
    ends.director.run("nft", "delete", "table", "inet", "tracking")


@pytest.mark.parametrize("drop", [0, 1])
@pytest.mark.parametrize("family", [4, 6])
def test_fragments_are_dropped_if_told(ends, family, drop):
    assert_fragments_are_dropped(ends, family, drop)


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("family", [4, 6])
def test_fragments_are_dropped_where_connections_are_tracked(ends, family):
    assert_fragments_are_dropped(ends, family, 1)


def assert_fragments_are_dropped(ends, family, drop):
    """Nothing of a segment in fragments may reach the server if `drop` says so, and all of it otherwise."""
    fragments = cut(segment(family, "S", SERVED, data=b"some early data"))
    with setting(ends, "defence_frag_drop", drop):
        ends.settle()
        ends.far.read()
        before = ends.counters()
        for piece in fragments:
            ends.near.socket.send(ends.near.peer + ends.near.mac + piece)
        ends.settle()
        after = ends.counters()
        assert (after["defence_ip_frag_drop"] - before["defence_ip_frag_drop"] > 0) == bool(drop)
        arrived = [packet for packet in ends.far.read() if packet.destination == SERVER[family]]
        assert bool(arrived) != bool(drop)
        if not drop:
            sent(ends, segment(family, "R", SERVED, seq=1001))


def cut(packet):
    """The two frames, without addresses, of a packet in fragments, of which the first has the whole TCP header."""
    whole, parts = packet.build(), []
    for offset, data, more in ((0, packet.payload[:24], 1), (24, packet.payload[24:], 0)):
        if whole[0] >> 4 == 6:
            head = whole[:4] + struct.pack("!HB", 8 + len(data), 44) + whole[7:40]
            parts.append(b"\x86\xdd" + head + struct.pack("!BBHI", packet.protocol, 0, offset | more, 77) + data)
        else:
            head = whole[:2] + struct.pack("!HHHBBH", 20 + len(data), 77, more << 13 | offset // 8, 64, 6, 0)
            head += whole[12:20]
            parts.append(b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data)
    return parts


@pytest.mark.parametrize("family", [4, 6])
def test_what_the_director_serves_itself_is_its_own(ends, family):
    assert ends.director.sysctl("net.ipv4.vs.defence_tcp_drop") == "1"
    with ends.director.entered(), socket.socket((socket.AF_INET, socket.AF_INET6)[family == 6]) as listener:
        listener.bind((VIP[family], OWN))
        listener.listen()
        [answer], far, moved = sent(ends, segment(family, "S", OWN))
        assert (answer.payload[13] & 63, far, moved) == (18, [], {})
        theirs = int.from_bytes(answer.payload[4:8])
        _, far, moved = sent(ends, segment(family, "A", OWN, seq=1001, ack=theirs + 1 & 0xFFFFFFFF))
        assert (far, moved) == ([], {})
        listener.settimeout(3)
        accepted, peer = listener.accept()
        with accepted:
            assert peer[:2] == (CLIENT[family], SPORT)
        sent(ends, segment(family, "R", OWN, seq=1001))


def test_a_syn_to_a_closed_port_is_the_stacks(ends):
    """As without IPVS: a client that knocks at the wrong port is told so."""
    [reset], far, moved = sent(ends, segment(4, "S", CLOSED))
    assert (reset.payload[13] & 4, far, moved) == (4, [], {})


class Trace:
    """The tracepoint of dropped packets, in an instance of its own."""

    def __init__(self):
        if not (TRACING / "instances").is_dir():
            run("mount", "-t", "tracefs", "tracefs", TRACING)
        self.path = TRACING / "instances" / f"drops-{os.getpid()}"
        self.path.mkdir()
        (self.path / EVENT / "enable").write_text("1", encoding="ascii")

    def lines(self):
        """What was traced so far."""
        text = (self.path / "trace").read_text(encoding="ascii")
        return [line for line in text.splitlines() if "ip_vs_flow_drop:" in line]

    def close(self):
        """Take the instance away."""
        (self.path / EVENT / "enable").write_text("0", encoding="ascii")
        self.path.rmdir()


@pytest.mark.parametrize("family", [4, 6])
def test_the_tracepoint_names_the_reason(ends, family):
    trace = Trace()
    try:
        _, _, moved = sent(ends, datagram(family, CLOSED))
        assert moved == {"defence_udp_drop": 1}
        [line] = trace.lines()
        assert "reason=defence_udp_drop protocol=17 " in line
        _, _, moved = sent(ends, segment(family, "A", CLOSED))
        assert "reason=defence_tcp_drop protocol=6 " in trace.lines()[1]
    finally:
        trace.close()
