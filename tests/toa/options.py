# SPDX-License-Identifier: GPL-2.0
"""What toa.ko makes of the options on the packet that opens a connection, right and wrong ones."""

import pytest

from lib import modules
from lib.neighbour import NEIGHBOUR
from lib.neighbour import statistics
from lib.packets import timestamp
from lib.packets import toa as option

NAMES = [
    "syn_recv_sock_toa", "syn_recv_sock_no_toa", "getname_toa_ok", "getname_toa_mismatch", "getname_toa_bypass",
    "getname_toa_empty", "ip6_address_alloc", "ip6_address_free",
]


@pytest.mark.parametrize("options", [
    option("203.0.113.7", 51234),
    b"\x01\x01" + timestamp(1) + option("203.0.113.7", 51234),
    b"\xfd\x04ab" + option("203.0.113.7", 51234),
    b"\x01" * 32 + option("203.0.113.7", 51234),
    option("203.0.113.7", 51234) + option("198.51.100.1", 1),
], ids=["alone", "behind a timestamp", "behind an unknown one", "at the very end", "the first of two"])
def test_the_option_is_found_wherever_it_stands(neighbour, options):
    assert neighbour.ask(50000, on_ack=options) == ("203.0.113.7:51234",) * 2


def test_it_is_found_on_data_when_the_bare_ack_was_lost(neighbour):
    assert neighbour.ask(50001, on_data=option("203.0.113.8", 80), bare_ack=False) == ("203.0.113.8:80",) * 2


@pytest.mark.parametrize("options", [
    b"", b"\xfe\x07\xc8\x22\xcb\x00\x71\x01", b"\xfe\x02\x01\x01", b"\xfe\x00\x01\x01", b"\xfe\x01\x01\x01",
    b"\xfe\xff\x01\x01", b"\x01\x01\x01\xfe", b"\x05\x00\x01\x01" + option("203.0.113.9", 9),
    b"\x00\x01\x01\x01" + option("203.0.113.9", 9), b"\x05\xff\x01\x01" + option("203.0.113.9", 9),
], ids=["none", "length 7", "length 2", "length 0", "length 1", "length 255", "cut off", "behind a length of 0",
        "behind the end", "behind a length past the end"])
def test_without_a_right_option_the_address_is_that_on_the_wire(neighbour, options):
    assert neighbour.ask(50002, on_ack=options) == (f"{NEIGHBOUR}:50002",) * 2


def test_the_statistics_count_what_happened(topology, neighbour):
    server, other = topology.servers
    before, elsewhere = statistics(server), statistics(other)
    assert [name for name in NAMES if name not in before] == []
    neighbour.ask(50003, on_ack=option("203.0.113.7", 51234))
    neighbour.ask(50004)
    after = statistics(server)
    assert statistics(other) == elsewhere, "what another namespace did"
    assert after["syn_recv_sock_toa"] == before["syn_recv_sock_toa"] + 1
    assert after["syn_recv_sock_no_toa"] >= before["syn_recv_sock_no_toa"] + 1
    assert after["getname_toa_ok"] == before["getname_toa_ok"] + 2, "one accept and one getpeername"
    assert after["getname_toa_empty"] >= before["getname_toa_empty"] + 2


def test_the_statistics_have_the_format_people_parse(topology, toa):
    heading, *rows = topology.servers[0].read("/proc/net/toa_stats").splitlines()
    assert heading.startswith(" " * 34 + "CPU0")
    for name, row in zip(NAMES, rows, strict=True):
        assert row.startswith(f"{name:<25}:")


def test_the_statistics_go_with_the_module(topology, toa):
    modules.remove("toa")
    with pytest.raises(FileNotFoundError):
        statistics(topology.servers[0])
    modules.insert("toa")
