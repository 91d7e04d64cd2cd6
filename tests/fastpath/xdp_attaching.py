# SPDX-License-Identifier: GPL-2.0
"""XDP programs on interfaces: attached and detached, refused, and held; while packets flow."""

import json
import os
from pathlib import Path

import pytest

from lib import modules
from lib import xdp
from lib.director import Director
from lib.fast_path import FastPath
from lib.fast_path import Pulse
from lib.namespace import Failed
from lib.namespace import run
from lib.topology import VIP
from lib.waiting import wait_until


@pytest.fixture(autouse=True)
def nothing_is_left(topology):
    """Every test begins and ends without programs."""
    xdp.prepare(topology)
    yield
    Director(topology.director).adm("fastpath", "set", "all", "auto")
    wait_until(lambda: not xdp.programs(), "programs to be gone")
    assert not Path(xdp.PINS).exists() or not os.listdir(xdp.PINS)


def row(director, interface):
    """What the listing says of an interface."""
    [found] = json.loads(director.adm("fastpath", interface, "--json"))["interfaces"]
    return found


def wish(director, interface, mode, **options):
    return director.adm("fastpath", "set", interface, mode, **options)


def refusal(director, *words):
    """What is said when something is refused: one line."""
    done = director.adm(*words, code=1)
    [line] = done.stderr.splitlines()
    return line


def mode_by_iproute(namespace, interface):
    """How ip(8) says that a program is attached."""
    [link] = json.loads(namespace.run("ip", "-json", "link", "show", interface).stdout)
    return {1: "native", 2: "generic"}[link["xdp"]["mode"]] if "xdp" in link else None


def test_a_program_comes_and_goes(fullnat):
    wish(fullnat, "wan", "xdp")
    shown = row(fullnat, "wan")
    assert (shown["mode"], shown["asked"], shown["native_xdp"]) == ("xdp", "xdp", True)
    assert mode_by_iproute(fullnat.namespace, "wan") == "native"
    [number] = xdp.programs()
    assert os.listdir(xdp.PINS) == [f"wan-{number}"]
    wish(fullnat, "wan", "xdp")
    assert xdp.programs() == [number], "asking again changes nothing"
    for mode in ("ingress", "off", "auto"):
        wish(fullnat, "wan", mode)
        assert mode_by_iproute(fullnat.namespace, "wan") is None
        assert row(fullnat, "wan")["mode"] == ("off" if mode == "off" else "ingress")
        wish(fullnat, "wan", "xdp")


def test_all_are_all_that_can(fullnat):
    wish(fullnat, "all", "xdp")
    rows = json.loads(fullnat.adm("fastpath", "--json"))["interfaces"]
    assert {one["interface"]: one["mode"] for one in rows} == {
        "lo": "off", "wan": "xdp", "lan1": "xdp", "lan2": "xdp",
    }
    assert fullnat.adm("-S", "-n").splitlines()[-1] == "fastpath set all xdp"
    wish(fullnat, "all", "auto")
    assert {one["mode"] for one in json.loads(fullnat.adm("fastpath", "--json"))["interfaces"]} == {"off", "ingress"}


def test_saved_rules_attach_it_again(director):
    wish(director, "lan1", "xdp")
    rules = director.adm("-S", "-n")
    assert rules == "fastpath set lan1 xdp\n"
    wish(director, "lan1", "auto")
    assert not xdp.programs()
    director.restore(rules.splitlines())
    assert row(director, "lan1")["mode"] == "xdp"


def test_it_stays_when_the_interface_is_renamed_and_goes_with_it(topology, director):
    namespace = topology.director
    namespace.ip("link add passing.1 type veth peer name other")
    wish(director, "passing.1", "xdp")
    [number] = xdp.programs()
    assert os.listdir(xdp.PINS) == [f"passing_1-{number}"]
    namespace.ip("link set passing.1 name renamed")
    assert row(director, "renamed")["mode"] == "xdp"
    wish(director, "renamed", "off")
    assert not os.listdir(xdp.PINS)
    wish(director, "renamed", "xdp")
    [number] = xdp.programs()
    namespace.ip("link delete renamed")
    # The program is of no use any more, but still there; the listing says so, and the next change takes it away.
    assert f"ip_vs_flow.ko cannot be unloaded: XDP program {number}, which no interface uses, held by " \
        f"{xdp.PINS}/renamed-{number}" in director.adm("fastpath").splitlines()
    wish(director, "wan", "auto")
    wait_until(lambda: not xdp.programs(), "the program to be gone")


def test_it_stays_when_the_interface_moves_to_another_namespace(topology, director):
    namespace, other = topology.director, topology.servers[0]
    namespace.ip("link add moving type veth peer name other")
    try:
        wish(director, "moving", "xdp")
        namespace.ip(f"link set moving netns {other.name}")
        there = Director(other)
        shown = row(there, "moving")
        assert (shown["mode"], shown["reason"]) == ("off", "no local address"), "the namespace has no flows"
        assert "on an interface of another network namespace" in director.adm("fastpath")
        wish(there, "moving", "off")
        wait_until(lambda: not xdp.programs(), "the program to be gone")
    finally:
        other.ip("link delete moving")


@pytest.mark.parametrize("words, said", [
    (("nope", "xdp"), "nope"),
    (("lo", "xdp"), "lo"),
    (("dull", "xdp"), "dull: its driver has no native XDP; use ingress, which costs less than generic XDP"),
])
def test_what_cannot_be_is_refused_in_a_line_and_nothing_changes(topology, director, words, said):
    topology.director.ip("link add dull type nlmon")
    try:
        before = director.adm("fastpath", "--json")
        line = refusal(director, "fastpath", "set", *words)
        assert line.startswith("rsipvsadm: ") and said in line
        assert json.loads(director.adm("fastpath", "--json"))["interfaces"] == json.loads(before)["interfaces"]
    finally:
        topology.director.ip("link delete dull")


def test_another_program_is_named_and_left_alone(fullnat):
    namespace = fullnat.namespace
    with xdp.foreign(namespace, "wan") as number:
        line = refusal(fullnat, "fastpath", "set", "wan", "xdp")
        assert line == f"rsipvsadm: wan: XDP program {number} (other) is attached already, native; " \
            "detach it there, or use ingress"
        assert row(fullnat, "wan")["asked"] == "auto"
        assert row(fullnat, "wan")["mode"] == "ingress"
        wish(fullnat, "wan", "off")
        assert mode_by_iproute(namespace, "wan") == "native", "only ours are taken off"
        assert not xdp.programs()


def test_others_cannot_take_its_place_by_accident(director):
    namespace = director.namespace
    wish(director, "wan", "xdp")
    with pytest.raises(Failed), xdp.foreign(namespace, "wan"):
        pass
    assert row(director, "wan")["mode"] == "xdp"


def test_the_module_stays_as_long_as_a_program_calls_it(topology, director):
    """rmmod refuses, the listing says who holds it, and detaching is enough."""
    wish(director, "wan", "xdp")
    [number] = xdp.programs()
    director.clear()
    modules.remove("ip_vs_fullnat")
    try:
        assert not modules.try_remove("ip_vs_flow")
        assert director.adm("fastpath").splitlines()[-1] == \
            f"ip_vs_flow.ko cannot be unloaded: XDP program {number} on wan, held by {xdp.PINS}/wan-{number}"
        [program] = json.loads(director.adm("fastpath", "--json"))["programs"]
        assert program == {"id": number, "interface": "wan", "attached": True, "pin": f"{xdp.PINS}/wan-{number}"}
        wish(director, "wan", "auto")
        modules.remove("ip_vs_flow")
    finally:
        modules.load_director()


@pytest.mark.limit(240)
def test_the_module_goes_under_traffic_as_soon_as_the_programs_are_off(topology, fullnat):
    """Refused while XDP forwards, gone when it does not any more; again and again, and nothing is left."""
    beating = Pulse(topology.client)
    try:
        for _ in range(20):
            fullnat.adm("fastpath", "set", "all", "xdp")
            path = FastPath(fullnat.namespace)
            path.in_xdp = True
            path.grows("wan", by=10)
            path.grows("lan1", "lan2", by=10)
            path.close()
            modules.remove("ip_vs_fullnat")
            assert not modules.try_remove("ip_vs_flow")
            fullnat.adm("fastpath", "set", "all", "off")
            modules.remove("ip_vs_flow")
            assert not xdp.programs() and not os.listdir(xdp.PINS)
            assert not any(mode_by_iproute(fullnat.namespace, name) for name in ("wan", "lan1", "lan2"))
            modules.load_director()
            fullnat.clear()
            fullnat.restore(fullnat.rules("-u", 80))
    finally:
        modules.load_director()
    assert beating.end()["ok"] > 10


def test_a_pin_that_is_deleted_detaches_the_program(director):
    wish(director, "wan", "xdp")
    [pin] = Path(xdp.PINS).iterdir()
    pin.unlink()
    wait_until(lambda: mode_by_iproute(director.namespace, "wan") is None, "the program to be detached")
    assert row(director, "wan")["mode"] == "ingress"


def test_the_bpf_file_system_is_mounted_if_it_is_not(director):
    """Also from a command with a /sys of its own: the program outlives it."""
    run("umount", "/sys/fs/bpf")
    name = director.namespace.name
    run("ip", "netns", "exec", name, "rsipvsadm", "fastpath", "set", "wan", "xdp")
    assert row(director, "wan")["mode"] == "xdp"
    assert os.path.ismount("/sys/fs/bpf") and os.listdir(xdp.PINS)


@pytest.mark.limit(180)
def test_connections_live_on_while_programs_come_and_go(topology, fullnat):
    """Every connection and every datagram is served, whichever way it goes."""
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 20, "--hold")
    held.read_line()
    load = topology.client.start("traffic", "connect", f"{VIP}:80", "--until-eof", "--rate", 50, "--timeout", 5)
    for mode in ("xdp", "ingress", "xdp", "off", "xdp", "auto"):
        for interface in ("wan", "lan1", "lan2"):
            wish(fullnat, interface, mode)
        moved = topology.client.run("traffic", "bulk", f"{VIP}:80", "--up", 300_000, "--down", 300_000).stdout
        assert json.loads(moved)["ok"], mode
    seen = json.loads(load.finish())
    assert seen["errors"] == {} and seen["ok"] > 0
    held.finish()
