# SPDX-License-Identifier: GPL-2.0
"""Whose word about clients is taken."""

import socket

import pytest

from lib import modules
from lib.kernel_log import KernelLog
from lib.neighbour import NEIGHBOUR
from lib.neighbour import accepted
from lib.neighbour import health
from lib.neighbour import listener
from lib.packets import toa as option

TRUST = "net.ipv4.toa.trust"
CLIENT = ("203.0.113.7", 51234)


@pytest.fixture
def server(topology, neighbour):
    """The real server, which believes everyone before and after."""
    server = topology.servers[0]
    assert server.sysctl(TRUST) == ""
    yield server
    server.sysctl(TRUST, "")


def connect(server, neighbour, port, **options):
    with listener(server) as listening:
        neighbour.connect(port, 8080, **options)
        name = accepted(listening)
        neighbour.reset(port, 8080)
    return name


def test_a_peer_on_the_list_is_believed(server, neighbour):
    server.sysctl(TRUST, "2001:db8::/32, 192.168.229.0/24")
    assert server.sysctl(TRUST) == "2001:db8::/32 192.168.229.0/24"
    before = health(server)["options_untrusted"]
    assert connect(server, neighbour, 52000, on_ack=option(*CLIENT)) == CLIENT
    assert connect(server, neighbour, 52001, on_syn=option(*CLIENT)) == CLIENT
    assert health(server)["options_untrusted"] == before


@pytest.mark.parametrize("kind", [254, 200])
@pytest.mark.parametrize("where", ["on_syn", "on_ack"])
def test_others_are_not_and_are_counted(server, neighbour, kind, where):
    server.sysctl(TRUST, "192.168.229.51 10.0.0.0/8")
    before = health(server)["options_untrusted"]
    port = 52002 + kind + len(where) * 1000
    assert connect(server, neighbour, port, **{where: option(*CLIENT, kind)}) == (NEIGHBOUR, port)
    assert health(server)["options_untrusted"] == before + 1


@pytest.mark.parametrize("kind", [254, 253])
def test_nor_is_an_ipv6_client_of_theirs(server, neighbour, kind):
    server.sysctl(TRUST, "::/0")
    address = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    forged = bytes((kind, 20)) + b"\x01\x02" + address
    with listener(server, family=socket.AF_INET6) as listening:
        neighbour.connect(52003 + kind, 8080, on_ack=forged)
        assert accepted(listening) == ("2001:db8::1", 0x102), "::/0 is everyone of both families"
        neighbour.reset(52003 + kind, 8080)
        server.sysctl(TRUST, "2000::/3")
        neighbour.connect(53003 + kind, 8080, on_ack=forged)
        assert accepted(listening) == (f"::ffff:{NEIGHBOUR}", 53003 + kind)
        neighbour.reset(53003 + kind, 8080)


def test_an_empty_list_is_everyone(server, neighbour):
    server.sysctl(TRUST, "192.168.229.51")
    assert connect(server, neighbour, 52004, on_ack=option(*CLIENT)) == (NEIGHBOUR, 52004)
    server.sysctl(TRUST, "")
    assert connect(server, neighbour, 52005, on_ack=option(*CLIENT)) == CLIENT


def test_each_namespace_has_its_own(topology, server, neighbour):
    topology.servers[1].sysctl(TRUST, "192.0.2.1")
    assert server.sysctl(TRUST) == ""
    assert connect(server, neighbour, 52006, on_ack=option(*CLIENT)) == CLIENT
    assert topology.servers[1].sysctl(TRUST, "") == "192.0.2.1"


@pytest.mark.parametrize("text", [
    "nonsense", "192.168.229.0/33", "192.168.229.51 192.168.229", "2001:db8::/129", "10.0.0.1:80", "10.0.0.1/8/8",
])
def test_a_list_that_makes_no_sense_is_refused_as_a_whole(server, text):
    server.sysctl(TRUST, "192.168.229.51")
    with pytest.raises(OSError, match="Invalid argument"):
        server.sysctl(TRUST, text)
    assert server.sysctl(TRUST) == "192.168.229.51"


def test_a_list_may_have_128_prefixes(server, neighbour):
    prefixes = [f"10.{number}.0.0/16" for number in range(127)]
    server.sysctl(TRUST, " ".join([*prefixes, NEIGHBOUR]))
    assert connect(server, neighbour, 52007, on_ack=option(*CLIENT)) == CLIENT
    with pytest.raises(OSError, match="Argument list too long"):
        server.sysctl(TRUST, " ".join([*prefixes, NEIGHBOUR, "10.255.0.0/16"]))
    assert server.sysctl(TRUST).endswith(f"10.126.0.0/16 {NEIGHBOUR}")


def test_the_log_says_once_that_everyone_is_believed_and_how_to_end_that(topology, server, neighbour):
    modules.remove("toa")
    modules.insert("toa")
    log = KernelLog()
    server.sysctl(TRUST, NEIGHBOUR)
    connect(server, neighbour, 52008, on_ack=option(*CLIENT))
    server.sysctl(TRUST, "")
    connect(server, neighbour, 52009)
    assert [line for line in log.lines() if TRUST in line] == [], "nobody was believed without a reason"
    connect(server, neighbour, 52010, on_ack=option(*CLIENT))
    connect(server, neighbour, 52011, on_ack=option(*CLIENT))
    said = [line for line in log.lines() if TRUST in line]
    log.close()
    assert len(said) == 1 and said[0].startswith("toa: everyone who reaches this host is believed")
