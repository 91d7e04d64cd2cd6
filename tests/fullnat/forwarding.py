# SPDX-License-Identifier: GPL-2.0
"""The packet's way there and back: who sees which address, and what else a router does to a packet."""

import json
import socket

from lib.packets import Icmp
from lib.packets import IPv4
from lib.packets import Udp
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Conversation


def connect(namespace, *words, port=80, code=0):
    return json.loads(namespace.run("traffic", "connect", f"{VIP}:{port}", *words, code=code).stdout)


def udp(namespace, *words, port=80, code=0):
    return json.loads(namespace.run("traffic", "udp", f"{VIP}:{port}", *words, code=code).stdout)


def test_tcp_goes_to_both_servers_in_turn_from_the_local_address(topology, fullnat):
    seen = connect(topology.client, "-n", 20)
    assert seen["servers"] == {SERVERS[0]: 10, SERVERS[1]: 10}
    assert seen["peers"] == {LOCAL: 20}
    assert seen["own_peer"] == 0


def test_udp_goes_to_both_servers_in_turn_from_the_local_address(topology, fullnat):
    seen = udp(topology.client, "-n", 40, "-k", 20)
    assert seen["servers"] == {SERVERS[0]: 20, SERVERS[1]: 20}
    assert seen["peers"] == {LOCAL: 40}
    assert seen["distinct"] <= 20, "each client socket is one connection"


def test_a_service_can_answer_on_another_port_than_its_servers(topology, director):
    director.adm("-A", "-t", f"{VIP}:8080", "-s", "rr")
    director.adm("-P", "-t", f"{VIP}:8080", "-z", LOCAL)
    director.adm("-a", "-t", f"{VIP}:8080", "-r", f"{SERVERS[1]}:80", "-b")
    seen = connect(topology.client, "-n", 4, port=8080)
    assert [exchange["server"] for exchange in seen["list"]] == [f"{SERVERS[1]}:80"] * 4


def test_several_local_addresses_share_the_connections(topology, director):
    others = ["192.168.229.205", "192.168.229.206"]
    for address in others:
        topology.director.ip(f"addr add {address}/32 dev lo")
    try:
        director.fullnat("-t", 80, local=[LOCAL, *others])
        assert set(connect(topology.client, "-n", 60)["peers"]) == {LOCAL, *others}
    finally:
        for address in others:
            topology.director.ip(f"addr delete {address}/32 dev lo")


def test_a_persistent_client_stays_with_its_server(topology, director):
    director.restore([f"-A -t {VIP}:80 -s rr -p 60", *director.rules("-t", 80)[1:]])
    seen = connect(topology.client, "-n", 10)
    assert len(seen["servers"]) == 1 and seen["distinct"] == 10


def test_the_vip_answers_a_ping(topology, fullnat):
    assert "1 received" in topology.client.run("ping", "-c", 1, "-W", 2, VIP).stdout


def test_a_segment_keeps_everything_that_is_not_an_address_a_port_or_a_ttl(wire):
    talk = Conversation(wire, 41000)
    talk.open()
    talk.server("PA", b"hello client")
    there = talk.client("PA", b"hello server", header={"tos": 0x28, "identification": 0x1234, "ttl": 33}, window=777)
    assert (there.source, there.destination) == (LOCAL, RAW_SERVER)
    assert (there.tos, there.identification, there.dont_fragment, there.ttl) == (0x28, 0x1234, True, 32)
    assert (there.tcp.dport, there.tcp.window, there.tcp.data) == (81, 777, b"hello server")
    assert there.tcp.options == b""
    back = talk.server("PA", b"an answer", header={"tos": 0x10, "identification": 0x4321, "ttl": 44}, window=888)
    assert (back.source, back.destination) == (VIP, RAW_CLIENT)
    assert (back.tos, back.identification, back.dont_fragment, back.ttl) == (0x10, 0x4321, True, 43)
    assert (back.tcp.sport, back.tcp.dport, back.tcp.window, back.tcp.data) == (81, 41000, 888, b"an answer")
    assert not there.wrong_checksums() and not back.wrong_checksums()


def test_a_retransmitted_syn_leaves_from_the_same_port_with_the_same_number(wire):
    talk = Conversation(wire, 41001)
    first = talk.client("S")
    second = talk.client("S", seq=talk.seq - 1)
    assert (second.source, second.tcp.sport, second.tcp.seq) == (first.source, first.tcp.sport, first.tcp.seq)


def test_urgent_and_acknowledged_numbers_stay_those_of_the_two_ends(wire):
    talk = Conversation(wire, 41002)
    syn, synack, ack = talk.open()
    assert synack.tcp.ack == talk.seq, "the client must see its own SYN acknowledged"
    assert ack.tcp.seq == (syn.tcp.seq + 1) & 0xFFFFFFFF
    assert ack.tcp.ack == talk.server_seq
    data = talk.client("PA", b"x" * 100)
    assert data.tcp.seq == ack.tcp.seq
    assert talk.server("A").tcp.ack == talk.seq


def test_a_selective_acknowledgement_names_numbers_the_client_knows(wire):
    talk = Conversation(wire, 41003)
    syn, _, _ = talk.open()
    shift = (syn.tcp.seq - (talk.seq - 1)) & 0xFFFFFFFF
    talk.server("PA", b"first word")
    hole = talk.seq
    seen = talk.client("PA", b"behind a hole", seq=hole + 100)
    block = seen.tcp.seq.to_bytes(4) + (seen.tcp.seq + 13 & 0xFFFFFFFF).to_bytes(4)
    talk.seen_seq = hole + shift & 0xFFFFFFFF
    back = talk.server("A", options=b"\x01\x01\x05\x0a" + block)
    assert back.tcp.ack == hole
    assert back.tcp.option(5) == (hole + 100).to_bytes(4) + (hole + 113).to_bytes(4)
    assert not back.wrong_checksums()


def test_a_packet_whose_ttl_ends_here_is_answered_with_time_exceeded(wire):
    talk = Conversation(wire, 41004)
    talk.open()
    talk.send_client("PA", b"too far", header={"ttl": 1})
    error = wire.near.receive(lambda p: p.protocol == socket.IPPROTO_ICMP and p.icmp.kind == 11, "time exceeded")
    inner = IPv4.parse(error.icmp.data)
    assert (inner.source, inner.destination) == (RAW_CLIENT, VIP), "the client must know the packet as its own"
    wire.quiet("a packet with TTL 1")


def test_a_reply_whose_ttl_ends_here_is_answered_with_time_exceeded(wire):
    talk = Conversation(wire, 41005)
    talk.open()
    talk.send_server("PA", b"too far", header={"ttl": 1})
    error = wire.far.receive(lambda p: p.protocol == socket.IPPROTO_ICMP and p.icmp.kind == 11, "time exceeded")
    assert IPv4.parse(error.icmp.data).destination == LOCAL


def test_a_server_that_refuses_is_seen_to_refuse(wire):
    talk = Conversation(wire, 41006)
    talk.client("S")
    reset = talk.server("RA", seq=0)
    assert reset.tcp.flags & 4 and reset.tcp.ack == talk.seq


def test_an_unreachable_port_behind_the_director_is_reported_to_the_udp_client(wire):
    wire.from_client(socket.IPPROTO_UDP, Udp(42000, 81, b"anyone?").build(RAW_CLIENT, VIP))
    there = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")
    complaint = Icmp(3, 3, data=there.build()).build()
    wire.from_server(socket.IPPROTO_ICMP, complaint, LOCAL)
    error = wire.near.receive(lambda p: p.protocol == socket.IPPROTO_ICMP and p.icmp.kind == 3, "port unreachable")
    inner = IPv4.parse(error.icmp.data)
    assert (inner.source, inner.destination) == (RAW_CLIENT, VIP)
    assert (inner.udp.sport, inner.udp.dport) == (42000, 81)
    assert not error.wrong_checksums()


def test_the_real_client_address_is_never_on_the_servers_side_of_a_udp_flow(topology, fullnat):
    seen = udp(topology.client, "-n", 3)
    assert CLIENT not in seen["peers"]
