# SPDX-License-Identifier: GPL-2.0
"""The TOA option: on which packets it is, where in them, and that nobody else can write it."""

import json

import pytest

from lib.packets import END
from lib.packets import LINUX_SYN
from lib.packets import NOP
from lib.packets import SACK_PERMITTED
from lib.packets import mss
from lib.packets import timestamp
from lib.packets import toa
from lib.packets import window_scale
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import VIP
from lib.traffic import only_answers
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import Conversation
from lib.wire import Tap

FORGED = toa("203.0.113.7", 51234)
STAMP = NOP + NOP + timestamp(5, 6)
# A selective acknowledgement of three blocks: with the timestamp every byte of the option space is taken.
FULL = STAMP + NOP + NOP + bytes((5, 26)) + bytes(range(24))


def counted(director, name):
    return director.counters()[name]


def test_the_option_looks_as_dpvs_writes_it(wire):
    talk = Conversation(wire, 44000)
    assert toa("203.0.113.7", 51234) == bytes.fromhex("FE08C822CB007107")
    _, _, ack = talk.open()
    assert ack.tcp.options == toa(RAW_CLIENT, 44000)
    assert not ack.wrong_checksums()


def test_it_stands_in_front_of_the_other_options(wire):
    talk = Conversation(wire, 44001)
    talk.client("S", options=LINUX_SYN)
    talk.server("SA", options=mss(1460))
    ack = talk.client("A", options=STAMP)
    assert ack.tcp.options == toa(RAW_CLIENT, 44001) + STAMP


def test_neither_syn_nor_syn_ack_carries_it(wire):
    talk = Conversation(wire, 44002)
    syn, synack, _ = talk.open()
    assert syn.tcp.option(254) is None
    assert synack.tcp.option(254) is None


def test_a_client_without_options_gets_it_too(wire):
    talk = Conversation(wire, 44003)
    syn, _, ack = talk.open(options=b"", answer=b"")
    assert syn.tcp.options == b""
    assert ack.tcp.words == 7 and ack.tcp.toas() == [(RAW_CLIENT, 44003)]


def test_it_is_on_data_until_the_client_acknowledges_data_of_the_server(wire):
    talk = Conversation(wire, 44004)
    talk.open()
    mine, syn = [(RAW_CLIENT, 44004)], talk.seen_seq
    assert talk.client("PA", b"one").tcp.toas() == mine
    assert talk.client("PA", b"one", seq=talk.seq - 3).tcp.toas() == mine, "a retransmission"
    before = talk.ack
    # Nothing of that had come when this left.
    talk.server("PA", b"a word of the server", ack=syn)
    late = talk.client("PA", b"two", ack=before)
    assert late.tcp.toas() == mine and late.tcp.data == b"two"
    assert talk.client("A").tcp.options == b"", "the server is known to have got it"
    assert talk.client("PA", b"three").tcp.options == b""
    assert talk.client("FA").tcp.options == b""


def test_it_is_on_data_until_the_server_acknowledges_data_of_the_client(wire):
    talk = Conversation(wire, 44061)
    talk.open()
    mine, syn = [(RAW_CLIENT, 44061)], talk.seen_seq
    assert talk.client("PA", b"one").tcp.toas() == mine
    talk.server("A", ack=syn)
    assert talk.client("PA", b"two").tcp.toas() == mine, "the first may be lost"
    talk.server("A", ack=syn + 1)
    assert talk.client("PA", b"three").tcp.options == b"", "the server has a socket, which is told"
    assert talk.client("PA", b"one", seq=talk.seq - 11).tcp.options == b"", "a retransmission"


def test_it_is_on_a_fin_that_comes_first(wire):
    talk = Conversation(wire, 44005)
    talk.open()
    fin = talk.client("FPA", b"all I have to say")
    assert fin.tcp.toas() == [(RAW_CLIENT, 44005)] and fin.tcp.data == b"all I have to say"


def test_it_is_not_on_a_reset(wire):
    talk = Conversation(wire, 44006)
    talk.open()
    assert talk.client("RA").tcp.options == b""


def test_a_forged_one_is_taken_out_of_a_syn(wire):
    talk = Conversation(wire, 44007)
    syn = talk.client("S", options=mss(1460) + FORGED + SACK_PERMITTED + NOP + window_scale(7) + NOP + NOP)
    assert [kind for kind, _ in syn.tcp.option_list() if kind != 1] == [2, 4, 3]
    assert not syn.wrong_checksums()


def test_a_forged_one_is_replaced_by_the_true_one(wire):
    talk = Conversation(wire, 44008)
    talk.client("S", options=LINUX_SYN)
    talk.server("SA", options=mss(1460))
    for flags, data in (("A", b""), ("PA", b"data")):
        packet = talk.client(flags, data, options=FORGED + STAMP)
        assert packet.tcp.toas() == [(RAW_CLIENT, 44008)]
        assert packet.tcp.option_list()[0][0] == 254, "ours must be the first a reader finds"
        assert packet.tcp.option(8) == timestamp(5, 6)[2:]
        assert packet.tcp.data == data and not packet.wrong_checksums()


def test_a_forged_one_is_taken_out_of_every_later_packet(wire):
    talk = Conversation(wire, 44009)
    talk.open()
    talk.server("PA", b"data")
    talk.client("A")
    for length in (8, 20):
        forged = bytes((254, length)) + b"\x11" * (length - 2)
        packet = talk.client("PA", b"late", options=NOP * 4 + forged)
        assert packet.tcp.option(254) is None
        assert packet.tcp.data == b"late" and not packet.wrong_checksums()


def test_a_forged_one_is_taken_out_even_if_ours_is_switched_off(topology, wire):
    topology.director.sysctl("net.ipv4.vs.fullnat_toa_entry", 0)
    try:
        talk = Conversation(wire, 44010)
        talk.client("S", options=LINUX_SYN)
        talk.server("SA", options=mss(1460))
        ack = talk.client("A", options=FORGED)
        assert ack.tcp.option(254) is None
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_toa_entry", 1)


def test_a_forged_one_is_taken_out_even_if_ours_has_no_room(director, wire):
    talk = Conversation(wire, 44015)
    talk.open(options=b"", answer=b"")
    refused = counted(director, "fullnat_add_toa_fail_len")
    packet = talk.client("PA", b"m" * 1456, options=bytes((254, 4, 0x11, 0x11)))
    assert packet.tcp.option(254) is None and packet.tcp.data == b"m" * 1456
    assert counted(director, "fullnat_add_toa_fail_len") == refused + 1
    assert packet.total_length <= 1500 and not packet.wrong_checksums()


def test_a_forged_one_makes_room_for_the_true_one_at_the_mtu(director, wire):
    talk = Conversation(wire, 44011)
    talk.open(options=b"", answer=b"")
    removed = counted(director, "fullnat_toa_removed")
    packet = talk.client("PA", b"m" * 1452, options=FORGED)
    assert packet.total_length == 1500 and packet.tcp.options == toa(RAW_CLIENT, 44011)
    assert packet.tcp.data == b"m" * 1452 and not packet.wrong_checksums()
    assert counted(director, "fullnat_toa_removed") == removed + 1


def test_a_full_option_space_is_pruned_but_keeps_the_timestamp(director, wire):
    talk = Conversation(wire, 44012)
    talk.client("S", options=LINUX_SYN)
    talk.server("SA", options=mss(1460))
    added = counted(director, "fullnat_add_toa_ok")
    assert len(FULL) == 40
    packet = talk.client("PA", b"payload", options=FULL)
    assert packet.tcp.option_list()[0] == (254, toa(RAW_CLIENT, 44012)[2:])
    assert packet.tcp.option(8) == timestamp(5, 6)[2:]
    assert packet.tcp.data == b"payload" and not packet.wrong_checksums()
    assert counted(director, "fullnat_add_toa_ok") == added + 1


def test_an_option_space_full_of_what_must_stay_is_left_alone_and_counted(director, wire):
    talk = Conversation(wire, 44013)
    talk.client("S", options=LINUX_SYN)
    talk.server("SA", options=mss(1460))
    full = director.counters()["fullnat_add_toa_head_full"]
    options = b"".join(timestamp(number) for number in range(4))
    packet = talk.client("PA", b"payload", options=options)
    assert packet.tcp.options == options and packet.tcp.data == b"payload"
    assert counted(director, "fullnat_add_toa_head_full") == full + 1


def test_a_packet_that_fills_the_mtu_goes_without_it_and_is_counted(director, wire):
    talk = Conversation(wire, 44014)
    talk.open(options=b"", answer=b"")
    before = director.counters()
    packet = talk.client("A", b"m" * 1460)
    assert packet.total_length == 1500 and packet.tcp.options == b"" and packet.tcp.data == b"m" * 1460
    smaller = talk.client("PA", b"m" * 1452)
    assert smaller.total_length == 1500 and smaller.tcp.toas() == [(RAW_CLIENT, 44014)]
    after = director.counters()
    assert after["fullnat_add_toa_fail_len"] == before["fullnat_add_toa_fail_len"] + 1
    assert after["fullnat_add_toa_ok"] == before["fullnat_add_toa_ok"] + 1


@pytest.mark.parametrize("segmented_by", ["the card", "the director"])
def test_every_segment_of_a_super_packet_carries_it(topology, director, segmented_by):
    director.fullnat("-t", 80, servers=["192.168.229.1"])
    if segmented_by == "the director":
        topology.director.run("ethtool", "-K", "lan1", "tso", "off", "gso", "off", "tx", "off")
    far = Tap(topology.servers[0], "eth0")
    try:
        with only_answers(topology.servers[0]):
            seen = json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "--size", 12000).stdout)
        assert seen["ok"] == 1
        data = [packet for packet in far.read() if packet.source == LOCAL and packet.tcp.data]
    finally:
        far.close()
        topology.director.run("ethtool", "-K", "lan1", "tso", "on", "gso", "on", "tx", "on")
    first = [packet for packet in data if packet.tcp.toas()]
    port = int(seen["list"][0]["own"].rpartition(":")[2])
    assert sum(len(packet.tcp.data) for packet in first) == 12000
    assert {address for packet in first for address in packet.tcp.toas()} == {(CLIENT, port)}
    largest = max(packet.total_length for packet in data)
    if segmented_by == "the card":
        assert largest > 1500, "the client should have sent a super-packet"
    else:
        assert largest <= 1500


def test_mss_of_the_syn_ack_leaves_room_for_it(wire):
    for number, (offered, seen) in enumerate([(1460, 1452), (536, 528), (65535, 65527)]):
        talk = Conversation(wire, 44020 + number)
        _, synack, _ = talk.open(answer=mss(offered) + SACK_PERMITTED + NOP + NOP)
        assert synack.tcp.options == mss(seen) + SACK_PERMITTED + NOP + NOP
        assert not synack.wrong_checksums()


def test_a_syn_ack_without_mss_gets_none(wire):
    _, synack, _ = Conversation(wire, 44030).open(answer=b"")
    assert synack.tcp.options == b""


def test_mss_stays_if_lowering_it_is_switched_off(topology, wire):
    topology.director.sysctl("net.ipv4.vs.fullnat_mss_adjust_entry", 0)
    try:
        _, synack, _ = Conversation(wire, 44031).open()
        assert synack.tcp.options == mss(1460)
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_mss_adjust_entry", 1)


def test_a_syn_loses_its_timestamp_and_nothing_else(wire):
    syn = Conversation(wire, 44032).client("S", options=LINUX_SYN)
    assert [option for option in syn.tcp.option_list() if option[0] != 1] == [
        (2, mss(1460)[2:]), (4, b""), (3, window_scale(7)[2:])
    ]
    assert not syn.wrong_checksums()


def test_options_nobody_knows_pass_unchanged(wire):
    talk = Conversation(wire, 44034)
    strange = bytes((253, 4, 1, 2)) + bytes((77, 3, 9)) + END
    talk.client("S", options=strange)
    talk.server("SA", options=mss(1460))
    packet = talk.client("A", options=strange)
    assert packet.tcp.options == toa(RAW_CLIENT, 44034) + strange
