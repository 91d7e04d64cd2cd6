# SPDX-License-Identifier: GPL-2.0
"""FullNAT between machines, through the drivers of real network cards."""

import contextlib
import json

import pytest

from lib.cells import end
from lib.cluster import DRIVERS
from lib.cluster import NATIVE
from lib.cluster import SERVED
from lib.waiting import wait_until

BIG = 20_000_000
SMALL = 1_500_000
SEGMENT = 1448


def traffic(nic, command, cell, *words):
    """Run the client's end of the traffic tool against a pair of families."""
    return json.loads(nic.client.run("traffic", command, end(cell.vip, cell.port), *words).stdout)


def assert_moved(nic, cell, up, down):
    """Send bytes both ways at once; every end must have what the other has sent, and no packet a wrong checksum."""
    wrong = [host.mib("TcpInCsumErrors") for host in nic.hosts]
    moved = traffic(nic, "bulk", cell, "--up", up, "--down", down)
    assert moved["ok"] and (moved["up"], moved["down"]) == (up, down)
    assert moved["up_hash"] == moved["up_hash_server"] != moved["down_hash"] == moved["down_hash_server"]
    assert [host.mib("TcpInCsumErrors") for host in nic.hosts] == wrong


@contextlib.contextmanager
def mtu(nic, value, ends):
    """Let some interfaces have another MTU."""
    nic.mtu(value, ends)
    try:
        yield
    finally:
        nic.mtu(1500, ends)
        for host in nic.hosts:
            for flag in ("-4", "-6"):
                host.run("ip", flag, "route", "flush", "cache")


def test_every_end_is_a_card_of_the_model(nic):
    for host, interface in nic.ends():
        assert f"driver: {DRIVERS[nic.card]}\n" in host.run("ethtool", "-i", interface).stdout


def test_a_server_with_toa_sees_the_client(fullnat, cell):
    seen = traffic(fullnat, "connect", cell, "-n", 20)
    assert (seen["ok"], seen["errors"]) == (20, {})
    assert seen["peers"] == {cell.seen: 20} and seen["servers"] == {cell.server: 20}


def test_datagrams_are_answered(fullnat, cell):
    seen = traffic(fullnat, "udp", cell, "-n", 20)
    assert (seen["ok"], seen["errors"]) == (20, {})
    assert seen["peers"] == {cell.local: 20} and seen["servers"] == {cell.server: 20}


def test_datagrams_in_fragments_are_answered(fullnat, cell):
    seen = traffic(fullnat, "udp", cell, "-n", 4, "--size", 5000)
    assert (seen["ok"], seen["errors"]) == (4, {})


@pytest.mark.parametrize("cell", ["44"], indirect=True)
def test_many_bytes_arrive_as_they_were(fullnat, cell):
    before, in_xdp = fullnat.hits(), fullnat.hits("xdp_hits")
    assert_moved(fullnat, cell, BIG, BIG)
    hits, in_xdp = fullnat.hits() - before, fullnat.hits("xdp_hits") - in_xdp
    least = {"hook": (0, 0), "ingress": (2 * BIG / 65536, 0), "xdp": (BIG / SEGMENT,) * 2}[fullnat.mode]
    assert hits >= least[0] and in_xdp >= least[1], "they must have gone the way of the mode"
    assert (hits > 0, in_xdp > 0) == (least[0] > 0, least[1] > 0)


@pytest.mark.parametrize("cell", ["44", "64"], indirect=True)
def test_bytes_arrive_as_they_were_with_offloads_and_without(fullnat, cell):
    def received():
        """Packets, and frames that XDP took."""
        here = fullnat.director.here
        return here.mib("IpInReceives") + here.mib6("Ip6InReceives") + fullnat.hits()

    packets = {}
    for state in ("off", "on"):
        fullnat.offloads(state)
        before = received()
        assert_moved(fullnat, cell, SMALL, SMALL)
        packets[state] = received() - before
    # XDP comes before GRO; a packet that changes its family it leaves to others.
    is_merged = fullnat.mode != "xdp" or cell.name == "64"
    assert 2 * SMALL / SEGMENT < packets["off"]
    assert (packets["on"] < 2 * SMALL / SEGMENT) == is_merged, "GRO must have merged packets, and only when it was on"


def test_xdp_is_for_cards_whose_driver_has_it(nic):
    """Others are refused it, with a sentence that says what to do, and keep what they have."""
    adm = nic.director.adm
    nic.fast_path("ingress")
    for arm in nic.arms:
        done = adm.adm("fastpath", "set", arm, "xdp", code=0 if nic.card in NATIVE else None)
        row = nic.interfaces()[arm]
        assert row["native_xdp"] == (nic.card in NATIVE)
        if nic.card in NATIVE:
            assert row["mode"] == "xdp"
        else:
            assert done.returncode != 0 and "ingress" in done.stderr and row["mode"] == "ingress"


@pytest.mark.parametrize("cell, value", [("44", 9000), ("66", 1300)], indirect=["cell"])
def test_bytes_arrive_as_they_were_with_another_mtu(fullnat, cell, value):
    with mtu(fullnat, value, fullnat.ends()):
        assert_moved(fullnat, cell, SMALL, SMALL)


@pytest.mark.two_arms
@pytest.mark.parametrize("cell", ["44", "66"], indirect=True)
def test_a_client_is_told_the_smaller_mtu_behind_the_director(fullnat, cell):
    before = fullnat.director.adm.counters()["fullnat_too_big"]
    with mtu(fullnat, 1300, fullnat.ends()[2:3]):
        assert_moved(fullnat, cell, SMALL, 0)
    assert fullnat.director.adm.counters()["fullnat_too_big"] > before


@pytest.mark.parametrize("cell", ["44", "66"], indirect=True)
def test_connections_outlive_links_that_were_down(fullnat, cell):
    held = fullnat.client.start("traffic", "connect", end(cell.vip, cell.port), "-n", 5, "--hold", "--timeout", 20)
    assert json.loads(held.read_line())["ok"] == 5
    for arm in fullnat.arms:
        fullnat.director.here.ip(f"link set {arm} down", f"link set {arm} up")
    fullnat.wait_for_carriers()
    held.say("again")
    assert json.loads(held.read_line())["ok"] == 5
    held.finish()


def test_modules_unloaded_under_traffic_serve_again(fullnat):
    director = fullnat.director
    cells = SERVED.values()
    words = ("--until-eof", "-p", 4, "--timeout", 1, "--reset")
    loads = [fullnat.client.start("traffic", "connect", end(cell.vip, cell.port), *words) for cell in cells]
    for service in (end(cell.vip, cell.port) for cell in cells):
        wait_until(lambda: director.adm.stats(service, "-t")["service"]["conns"] > 30, f"load of {service}")
    # An XDP program would hold the module.
    fullnat.fast_path("off")
    director.modules.unload_director()
    for load in loads:
        seen = json.loads(load.finish(code=None))
        assert seen["ok"] > 10, seen
    director.modules.load_director()
    fullnat.serve()
    for cell in cells:
        assert traffic(fullnat, "connect", cell, "-n", 5)["ok"] == 5
