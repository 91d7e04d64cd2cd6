# SPDX-License-Identifier: GPL-2.0
"""Checksums and bulk data, with and without the offloads that leave checksums to the network card."""

import json
import socket

import pytest

from lib.packets import Udp
from lib.topology import LOCAL
from lib.topology import VIP
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Conversation
from lib.wire import Tap

MEGABYTE = 1_000_000


@pytest.fixture(params=["on", "off"])
def offloads(request, topology):
    topology.offloads(request.param)
    yield request.param
    topology.offloads("default")


def errors(topology):
    ends = [topology.client, *topology.servers]
    names = ("TcpInCsumErrors", "UdpInCsumErrors", "IpInHdrErrors")
    return {(end.name, name): end.mib(name) for end in ends for name in names}


def test_no_end_counts_a_wrong_checksum(topology, fullnat, offloads):
    before = errors(topology)
    tcp = json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 50, "--size", 3000).stdout)
    udp = json.loads(topology.client.run("traffic", "udp", f"{VIP}:80", "-n", 50, "-k", 10).stdout)
    assert (tcp["ok"], udp["ok"]) == (50, 50)
    assert errors(topology) == before


def test_every_packet_without_offload_adds_up_at_both_ends(topology, fullnat):
    topology.offloads("off")
    near, far = Tap(topology.client, "eth0"), Tap(topology.servers[0], "eth0")
    try:
        topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 10, "--size", 5000)
        topology.client.run("traffic", "udp", f"{VIP}:80", "-n", 10, "-k", 2, "--size", 1001)
        there = [packet for packet in far.read() if packet.source == LOCAL]
        back = [packet for packet in near.read() if packet.source == VIP]
        assert len(there) > 30 and len(back) > 30
        for packet in there + back:
            assert not packet.wrong_checksums(), packet
    finally:
        near.close()
        far.close()
        topology.offloads("default")


def test_tcpdump_agrees_about_the_checksums(topology, fullnat):
    topology.offloads("off")
    try:
        words = ("-i", "eth0", "-nnvv", "-Q", "in", "-c", 20, "--immediate-mode", "tcp", "port", "80")
        dump = topology.servers[0].start("tcpdump", *words)
        assert "listening" in dump.process.stderr.readline()
        topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 20)
        text = dump.finish()
    finally:
        topology.offloads("default")
    assert text.count("(correct)") == 20
    assert "incorrect" not in text and "bad" not in text


@pytest.mark.limit(120)
def test_200_megabytes_each_way_arrive_unchanged(topology, fullnat):
    size = 200 * MEGABYTE
    text = topology.client.run("traffic", "bulk", f"{VIP}:80", "--up", size, "--down", size, timeout=110).stdout
    moved = json.loads(text)
    print(f"200 MB each way in {moved['seconds']:.1f} s")
    assert moved["ok"]
    assert moved["up_hash"] == moved["up_hash_server"] != moved["down_hash"] == moved["down_hash_server"]


def test_bulk_data_without_offload_arrives_unchanged(topology, fullnat):
    topology.offloads("off")
    try:
        words = ("--up", 5 * MEGABYTE, "--down", 5 * MEGABYTE)
        assert json.loads(topology.client.run("traffic", "bulk", f"{VIP}:80", *words).stdout)["ok"]
    finally:
        topology.offloads("default")


def test_a_udp_datagram_without_a_checksum_arrives_without_one(wire):
    datagram = Udp(43000, 81, b"no checksum", checksum=0).build(RAW_CLIENT, VIP)
    wire.from_client(socket.IPPROTO_UDP, datagram)
    there = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")
    assert there.udp.checksum == 0 and there.udp.data == b"no checksum"
    wire.from_server(socket.IPPROTO_UDP, Udp(81, there.udp.sport, b"none", checksum=0).build(RAW_SERVER, LOCAL), LOCAL)
    back = wire.near.receive(lambda p: p.destination == RAW_CLIENT and p.protocol == 17, "answer")
    assert back.udp.checksum == 0 and back.udp.data == b"none"


def test_a_udp_checksum_that_comes_out_as_zero_is_sent_as_all_ones(wire):
    # Two bytes of payload are chosen so that the sum towards the server is 0xffff, its complement 0: "no checksum".
    talk = (43001, 81)
    wire.from_client(socket.IPPROTO_UDP, Udp(*talk, b"\0\0").build(RAW_CLIENT, VIP))
    first = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")
    payload = first.udp.checksum.to_bytes(2)
    wire.from_client(socket.IPPROTO_UDP, Udp(*talk, payload).build(RAW_CLIENT, VIP))
    second = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")
    assert second.udp.data == payload
    assert second.udp.checksum == 0xFFFF


def test_a_checksum_that_was_wrong_is_not_made_right(wire):
    talk = Conversation(wire, 43002)
    talk.open()
    talk.send_client("PA", b"damaged", checksum=0x1234)
    wire.settle()
    got = [packet for packet in wire.far.read() if packet.destination == RAW_SERVER]
    assert all("TCP" in packet.wrong_checksums() for packet in got)
