# SPDX-License-Identifier: GPL-2.0
"""How a service has its clients introduced over TCP: in which segments, as which kind of option, or not at all."""

import pytest

from lib.options import introduce
from lib.packets import END
from lib.packets import LINUX_SYN
from lib.packets import NOP
from lib.packets import SACK_PERMITTED
from lib.packets import mss
from lib.packets import timestamp
from lib.packets import toa
from lib.packets import window_scale
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import Conversation

# What Linux puts into a SYN, as the director sends it on: its time stamps overwritten.
SYN_ON_ITS_WAY = mss(1460) + SACK_PERMITTED + NOP * 11 + window_scale(7)
MPTCP = bytes((30, 12, 1, 0)) + bytes(8)
STRANGER = bytes((77, 4, 1, 2))
KINDS = [254, 253, 200]


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_that_wants_it_gets_the_address_with_the_syn_and_with_what_follows(director, wire, kind):
    introduce(director, "-t", 81, toa="syn", toa_kind=kind)
    talk = Conversation(wire, 45000 + kind)
    mine = toa(RAW_CLIENT, talk.sport, kind)
    added = director.counters()["fullnat_add_toa_ok"]
    syn = talk.client("S", options=LINUX_SYN)
    assert syn.tcp.options == mine + SYN_ON_ITS_WAY and not syn.wrong_checksums()
    again = talk.client("S", options=LINUX_SYN, seq=talk.seq - 1)
    assert again.tcp.options == syn.tcp.options and again.tcp.seq == syn.tcp.seq, "a retransmission"
    talk.server("SA", options=mss(1460))
    for flags, data in (("A", b""), ("PA", b"data")):
        assert talk.client(flags, data).tcp.options == mine
    talk.server("PA", b"answer")
    assert talk.client("PA", b"more").tcp.options == b""
    assert director.counters()["fullnat_add_toa_ok"] == added + 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_the_services_in_the_usual_mode_too(director, wire, kind):
    introduce(director, "-t", 81, toa_kind=kind)
    talk = Conversation(wire, 45300 + kind)
    syn, _, ack = talk.open()
    assert syn.tcp.options == SYN_ON_ITS_WAY
    assert ack.tcp.options == toa(RAW_CLIENT, talk.sport, kind) and not ack.wrong_checksums()


def test_a_service_can_do_without(director, wire):
    introduce(director, "-t", 81, toa="off")
    talk = Conversation(wire, 45600)
    before = director.counters()
    syn, answer, ack = talk.open()
    assert (syn.tcp.options, ack.tcp.options) == (SYN_ON_ITS_WAY, b"")
    assert answer.tcp.options == mss(1460), "nothing has to be left free"
    forged = talk.client("PA", b"data", options=toa("203.0.113.7", 1))
    assert forged.tcp.option(254) is None, "but nobody else may introduce himself"
    after = director.counters()
    assert after["fullnat_add_toa_ok"] == before["fullnat_add_toa_ok"]
    assert after["fullnat_toa_removed"] == before["fullnat_toa_removed"] + 1


def test_a_connection_keeps_what_held_when_it_began(director, wire):
    introduce(director, "-t", 81)
    talk = Conversation(wire, 45601)
    talk.client("S", options=LINUX_SYN)
    introduce(director, "-t", 81, toa="off", toa_kind=200)
    talk.server("SA", options=mss(1460))
    assert talk.client("A").tcp.toas() == [(RAW_CLIENT, 45601)]
    assert Conversation(wire, 45602).open()[2].tcp.options == b""


@pytest.mark.parametrize("kind", [254, 253, 252, 200])
@pytest.mark.parametrize("mode", ["off", "ack", "syn"])
def test_no_kind_that_a_server_may_believe_passes_in_a_syn(director, wire, kind, mode):
    introduce(director, "-t", 81, toa=mode, toa_kind=200)
    talk = Conversation(wire, 45700 + 4 * kind + ["off", "ack", "syn"].index(mode))
    forged = toa("203.0.113.7", 51234, kind) + bytes((kind, 20)) + bytes(18)
    syn = talk.client("S", options=forged + mss(1460))
    true = [(200, toa(RAW_CLIENT, talk.sport)[2:])] if mode == "syn" else []
    assert [option for option in syn.tcp.option_list() if option[0] != 1] == true + [(2, mss(1460)[2:])]
    assert not syn.wrong_checksums()


def test_a_full_syn_loses_padding_and_strangers_but_nothing_it_is_for(director, wire):
    introduce(director, "-t", 81, toa="syn")
    talk = Conversation(wire, 45603)
    # With the time stamps out of the way, 4 + 2 + 3 + 12 bytes are left of 40, and eight come in front.
    syn = talk.client("S", options=LINUX_SYN + STRANGER + MPTCP + NOP * 4)
    assert syn.tcp.options == toa(RAW_CLIENT, 45603) + mss(1460) + SACK_PERMITTED + window_scale(7) + STRANGER \
        + MPTCP + END * 3
    assert not syn.wrong_checksums()


def test_a_syn_full_of_what_it_is_for_goes_without_and_is_counted(director, wire):
    introduce(director, "-t", 81, toa="syn")
    talk = Conversation(wire, 45604)
    full = director.counters()["fullnat_add_toa_head_full"]
    options = mss(1460) + MPTCP * 3
    assert talk.client("S", options=options).tcp.options == options
    assert director.counters()["fullnat_add_toa_head_full"] == full + 1
    talk.server("SA", options=mss(1460))
    assert talk.client("A").tcp.toas() == [(RAW_CLIENT, 45604)], "the next one has room"


def test_a_forged_one_leaves_a_syn_even_if_the_true_one_has_no_room(director, wire):
    introduce(director, "-t", 81, toa="syn")
    talk = Conversation(wire, 45605)
    syn = talk.client("S", options=bytes((254, 4, 1, 2)) + MPTCP * 3)
    assert syn.tcp.options == NOP * 4 + MPTCP * 3 and not syn.wrong_checksums()


def test_a_syn_with_data_that_fills_the_mtu_goes_without_and_is_counted(director, wire):
    introduce(director, "-t", 81, toa="syn")
    talk = Conversation(wire, 45606)
    long = director.counters()["fullnat_add_toa_fail_len"]
    syn = talk.client("S", b"m" * 1456, options=mss(1460))
    assert syn.tcp.options == mss(1460) and syn.total_length == 1500
    assert director.counters()["fullnat_add_toa_fail_len"] == long + 1


def test_a_fast_open_syn_carries_address_cookie_and_data(director, wire):
    introduce(director, "-t", 81, toa="syn")
    talk = Conversation(wire, 45607)
    cookie = bytes((34, 10)) + b"8 bytes!"
    syn = talk.client("S", b"early", options=mss(1460) + cookie + NOP + NOP + timestamp(1))
    assert syn.tcp.toas() == [(RAW_CLIENT, 45607)] and syn.tcp.option(34) == b"8 bytes!"
    assert syn.tcp.data == b"early" and not syn.wrong_checksums()
