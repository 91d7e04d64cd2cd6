# SPDX-License-Identifier: GPL-2.0
"""Fast paths of interfaces, shown and set."""

import contextlib
import itertools
import json
import os
import struct

import pytest

from lib.director import Director
from lib.namespace import Namespace
from lib.namespace import run
from lib.netlink import Family
from lib.netlink import attribute
from lib.netlink import nest
from lib.topology import VIP
from lib.waiting import wait_until

INTERFACE_SET = 12
PORTS = ("wan", "lan1", "lan2")
SWITCH = "net.ipv4.vs.fullnat_fastpath"

_numbers = itertools.count(1)


class FastPaths(Director):
    """A director whose fast paths are looked at."""

    def shown(self):
        """The listing as JSON."""
        return json.loads(self.adm("fastpath", "--json"))

    def interfaces(self, value):
        """One value of each interface, by its name."""
        return {row["interface"]: row[value] for row in self.shown()["interfaces"]}

    def rows(self):
        """The rows of the table, by interface."""
        lines = self.adm("fastpath").splitlines()
        table = lines[next(place for place, line in enumerate(lines) if line.startswith("Interface")) + 1:]
        return {line.split()[0]: line.split(maxsplit=7)[1:] for line in table}

    def wish(self, *words, **options):
        """Ask for a fast path."""
        return self.adm("fastpath", "set", *words, **options)


@pytest.fixture
def paths(topology, fullnat):
    """The director with a FullNAT service, and everything about fast paths as it is by itself."""
    paths = FastPaths(fullnat.namespace)
    yield paths
    paths.namespace.sysctl(SWITCH, 1)
    paths.wish("all", "auto")


@contextlib.contextmanager
def bare():
    """A namespace with the loopback and two dummies, in which nobody has done anything yet."""
    name = f"bare-{os.getpid()}-{next(_numbers)}"
    run("ip", "netns", "add", name)
    namespace = Namespace(name)
    try:
        namespace.ip("link add one type dummy", "link add two type dummy")
        yield FastPaths(namespace)
    finally:
        namespace.delete()


def carry(topology, size=500_000):
    """Have bytes go both ways over one connection."""
    moved = topology.client.run("traffic", "bulk", f"{VIP}:80", "--up", size, "--down", size).stdout
    assert json.loads(moved)["ok"]


def test_every_interface_that_can_has_one_and_the_loopback_says_why_not(paths):
    rows = paths.rows()
    for name in PORTS:
        assert rows[name][:2] == ["ingress", "auto"]
        assert rows[name][2] == "yes", "veth has XDP of its own"
    assert rows["lo"][:3] == ["off", "auto", "no"] and rows["lo"][-1] == "loopback"
    assert paths.adm("fastpath").startswith("Fast paths (all=auto, flows=")


def test_a_namespace_without_local_addresses_has_none():
    with bare() as paths:
        assert paths.interfaces("mode") == {"lo": "off", "one": "off", "two": "off"}
        assert paths.interfaces("reason") == {"lo": "loopback", "one": "no local address", "two": "no local address"}
        paths.wish("one", "ingress")
        assert paths.interfaces("mode") == {"lo": "off", "one": "ingress", "two": "off"}
        paths.adm("-A", "-t", "10.1.0.1:80", "-s", "rr")
        paths.adm("-P", "-t", "10.1.0.1:80", "-z", "10.1.0.2")
        assert paths.interfaces("mode") == {"lo": "off", "one": "ingress", "two": "ingress"}


def test_one_interface_is_listed_alone(paths):
    [row] = json.loads(paths.adm("fastpath", "lan1", "-o", "json"))["interfaces"]
    assert (row["interface"], row["mode"], row["asked"]) == ("lan1", "ingress", "auto")
    assert paths.adm("fastpath", "lan1").splitlines()[-1].split()[:3] == ["lan1", "ingress", "auto"]


def test_packets_are_counted_by_the_way_they_took(topology, paths):
    hits, misses = paths.interfaces("hits"), paths.interfaces("misses")
    carry(topology)
    topology.client.run("ping", "-c", 1, "-W", 5, VIP)
    now = paths.interfaces("hits")
    assert now["wan"] > hits["wan"] and now["lan1"] + now["lan2"] > hits["lan1"] + hits["lan2"]
    assert now["lo"] == 0
    assert paths.interfaces("misses")["wan"] > misses["wan"], "the ping, and the SYN"
    detours = paths.interfaces("detours")["wan"]
    # A client's first segments carry its address to the server, its last one ends the connection.
    assert detours and all(detours.values())
    listed = dict(line.split() for line in paths.adm("fastpath", "wan", "--detours").splitlines() if line[0] == " ")
    assert set(detours) <= set(listed)
    row = paths.rows()["wan"]
    assert int(row[3]) >= now["wan"] and max(detours, key=detours.get) in row[6]


def test_flows_are_counted(topology, paths):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 3, "--hold", "--reset")
    held.read_line()
    wait_until(lambda: paths.shown()["flows"] == len(paths.connections()), "as many flows as connections")
    assert paths.shown()["flows"] >= 3
    held.finish()


def test_off_is_off_at_once_and_figures_begin_anew(topology, paths):
    paths.wish("wan", "off")
    rows = paths.rows()
    assert rows["wan"][:2] == ["off", "off"] and rows["wan"][-1] == "as asked"
    assert rows["lan1"][:2] == ["ingress", "auto"]
    carry(topology)
    assert paths.interfaces("hits")["wan"] == 0
    paths.wish("wan", "ingress")
    carry(topology)
    assert paths.interfaces("hits")["wan"] > 0


def test_all_are_those_that_come_later_too(paths):
    namespace = paths.namespace
    paths.wish("wan", "ingress")
    paths.wish("all", "off")
    namespace.ip("link add later type dummy")
    try:
        assert set(paths.interfaces("mode").values()) == {"off"}
        assert set(paths.interfaces("asked").values()) == {"off"}
        assert paths.shown()["asked"] == "off"
        paths.wish("later", "auto")
        assert paths.interfaces("mode")["later"] == "ingress"
        namespace.ip("link set later name since")
        assert paths.interfaces("asked")["since"] == "auto"
        namespace.ip("link del since", "link add since type dummy")
        assert paths.interfaces("asked")["since"] == "off", "another interface of the same name"
        paths.wish("all", "auto")
        assert paths.interfaces("mode")["since"] == "ingress"
    finally:
        namespace.run("ip", "link", "del", "since", code=None)
        namespace.run("ip", "link", "del", "later", code=None)


def test_the_port_of_a_bridge_leaves_it_to_the_bridge(paths):
    namespace = paths.namespace
    namespace.ip("link add port type dummy", "link add br0 type bridge", "link set port master br0")
    try:
        assert (paths.interfaces("mode")["port"], paths.interfaces("reason")["port"]) == ("off", "port of br0")
        assert paths.interfaces("mode")["br0"] == "ingress"
        done = paths.wish("port", "ingress", code=1)
        assert done.stderr == (
            "rsipvsadm: cannot change the fast path of port: "
            "another interface takes its packets: ask for the fast path of that one\n"
        )
        assert paths.interfaces("asked")["port"] == "auto"
        namespace.ip("link set port nomaster")
        assert (paths.interfaces("mode")["port"], paths.interfaces("reason")["port"]) == ("ingress", None)
        # Leaves the bridge as it goes: no moment to give it a fast path.
        namespace.ip("link set port master br0")
    finally:
        namespace.ip("link del port", "link del br0")


def test_a_port_that_moves_to_another_namespace_has_its_fast_path_there(paths):
    namespace = paths.namespace
    namespace.ip("link add port type dummy", "link add br0 type bridge", "link set port master br0")
    try:
        with bare() as other:
            other.wish("all", "ingress")
            namespace.ip(f"link set port netns {other.namespace.name}")
            assert "port" not in paths.interfaces("mode")
            assert other.interfaces("mode")["port"] == "ingress"
    finally:
        namespace.ip("link del br0")


def test_the_switch_is_told(topology, paths):
    assert paths.shown()["enabled"] is True and "switched off" not in paths.adm("fastpath")
    carry(topology)
    paths.namespace.sysctl(SWITCH, 0)
    hits = paths.interfaces("hits")
    carry(topology)
    assert paths.interfaces("hits") == hits
    assert paths.shown()["enabled"] is False
    assert f"All are switched off by {SWITCH}=0\n" in paths.adm("fastpath")
    assert set(paths.interfaces("mode").values()) == {"off"}
    assert paths.interfaces("reason")["wan"] == "switched off"


def test_wishes_are_saved_and_restored(paths):
    rules = paths.adm("-S", "-n")
    assert "fastpath" not in rules
    paths.wish("all", "off")
    paths.wish("wan", "ingress")
    paths.wish("lan2", "auto")
    saved, asked = paths.adm("-S", "-n"), paths.interfaces("asked")
    first, *others = saved.removeprefix(rules).splitlines()
    assert first == "fastpath set all off", "it would take the others back"
    assert sorted(others) == ["fastpath set lan2 auto", "fastpath set wan ingress"]
    paths.clear()
    assert paths.interfaces("asked") == asked, "-C is about services"
    paths.wish("all", "auto")
    paths.adm("-R", input=saved)
    assert (paths.adm("-S", "-n"), paths.interfaces("asked")) == (saved, asked)


def test_an_interface_that_is_gone_does_not_keep_other_rules_from_being_restored(paths):
    done = paths.adm("-R", input="fastpath set nonsuch off\nfastpath set wan off\n", code=1)
    [line] = done.stderr.splitlines()
    said = "cannot change the fast path of nonsuch: no such interface; there are lo,"
    assert line.startswith(f"rsipvsadm: line 1: {said}")
    assert paths.interfaces("asked")["wan"] == "off"


@pytest.mark.parametrize("words, code, said", [
    (("nonsuch",), 1, "cannot read the fast path of nonsuch: no such interface; there are lo,"),
    (("set", "nonsuch", "off"), 1, "cannot change the fast path of nonsuch: no such interface; there are lo,"),
    (("set", "lo", "ingress"), 1, "cannot change the fast path of lo: its packets come from this host"),
    (("set", "wan", "fast"), 2, "MODE: fast is none of off, ingress, xdp, auto"),
    (("set", "wan"), 2, "<off|ingress|xdp|auto> is missing; see rsipvsadm fastpath --help"),
    (("set", "a/b", "off"), 2, 'INTERFACE: "a/b" cannot be the name of an interface'),
    (("--nonsuch",), 2, "there is no option --nonsuch"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_cannot_be_is_one_line_and_changes_nothing(paths, words, code, said):
    before = paths.interfaces("asked")
    done = paths.adm("fastpath", *words, code=code)
    [line] = done.stderr.splitlines()
    assert done.stdout == "" and line.startswith(f"rsipvsadm: {said}")
    assert paths.interfaces("asked") == before


def test_who_is_not_root_may_look_and_not_touch(paths):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "rsipvsadm", "fastpath")
    assert paths.namespace.run(*nobody).stdout.startswith("Fast paths (")
    [line] = paths.namespace.run(*nobody, "set", "all", "off", code=1).stderr.splitlines()
    assert line == "rsipvsadm: cannot change the fast paths: needs root (CAP_NET_ADMIN)"


def ifindex(number):
    return attribute(1, struct.pack("=I", number))


def wanted(number):
    return attribute(4, struct.pack("=B", number))


@pytest.mark.parametrize("error, request_", [
    ("EINVAL", []),
    ("EINVAL", [nest(7)]),
    ("EINVAL", [nest(7, ifindex(0))]),
    ("EINVAL", [nest(7, wanted(1))]),
    ("EINVAL", [nest(7, ifindex(0), wanted(4))]),
    ("EINVAL", [nest(7, ifindex(0), wanted(1), wanted(2))]),
    ("EINVAL", [nest(7, ifindex(0), wanted(1), attribute(64, b""))]),
    ("ERANGE", [nest(7, ifindex(0), attribute(4, b"\1\0"))]),
    ("ERANGE", [nest(7, attribute(1, b"\0"), wanted(1))]),
    ("ENODEV", [nest(7, ifindex(0x7FFFFFFF), wanted(1))]),
    ("ENODEV", [nest(7, ifindex(0xFFFFFFFF), wanted(1))]),
], ids=str)
def test_requests_that_are_wrong_are_refused_with_a_sentence(topology, paths, error, request_):
    before = paths.interfaces("asked"), paths.shown()["asked"]
    family = Family(topology.director, "IPVS_FLOW")
    try:
        answer = family.ask(INTERFACE_SET, *request_)
    finally:
        family.close()
    assert (answer.name, bool(answer.text)) == (error, True), answer
    assert (paths.interfaces("asked"), paths.shown()["asked"]) == before


def test_many_interfaces_are_all_listed_once(paths):
    with bare() as many:
        # Numbers that do not go up: a listing in parts must not rely on them.
        many.namespace.ip(*(f"link add d{number} index {3000 - number} type dummy" for number in range(200)))
        names = [row["interface"] for row in many.shown()["interfaces"]]
        assert sorted(names) == sorted(["lo", "one", "two", *(f"d{number}" for number in range(200))])
