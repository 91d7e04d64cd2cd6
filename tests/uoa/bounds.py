# SPDX-License-Identifier: GPL-2.0
"""How many clients are remembered, for how long, and whose word is taken."""

import pytest

from lib import modules
from lib.namespace import run
from lib.topology import SERVERS
from lib.uoa import NEIGHBOUR
from lib.uoa import ask
from lib.uoa import clients
from lib.uoa import header
from lib.uoa import health
from lib.uoa import option
from lib.uoa import program
from lib.waiting import wait_until

CLIENT = ("203.0.113.7", 51234)
FRONT = header(option(*CLIENT))
LOCAL = (SERVERS[0], 5300)


@pytest.fixture
def server(topology, uoa):
    """A program."""
    with program(topology.servers[0], SERVERS[0]) as sock:
        yield sock


def forget(topology, setting):
    """Nothing is remembered any more."""
    setting("map_timeout", 1)
    wait_until(lambda: health(topology.servers[0])["mappings"] == 0, "the table to be empty", timeout=60)


def flood(neighbour, number):
    """Forge addresses of so many flows."""
    for forged in range(number):
        neighbour.send(b"", 10000 + forged, front=header(option("198.51.100.66", 1 + forged)))


def test_a_flood_takes_the_room_that_there_is_and_flows_stay(topology, neighbour, server, setting):
    forget(topology, setting)
    setting("map_timeout", 300)
    setting("map_max", 100)
    for port in range(4000, 4010):
        neighbour.send(b"data", port, front=FRONT)
        server.recvfrom(100)
    before = health(topology.servers[0])
    flood(neighbour, 1000)
    neighbour.send(b"data", 4000)
    server.recvfrom(100)
    after = health(topology.servers[0])
    assert after["mappings"] == 100
    assert after["mappings_refused"] == before["mappings_refused"] + 910
    for port in range(4000, 4010):
        neighbour.send(b"data", port)
        server.recvfrom(100)
        assert ask(server, (NEIGHBOUR, port), LOCAL) == CLIENT
    assert len(clients(topology.servers[0])) == 100
    # A flow in the table may go to another client even now.
    neighbour.send(b"data", 4000, front=header(option("203.0.113.8", 8)))
    server.recvfrom(100)
    assert ask(server, (NEIGHBOUR, 4000), LOCAL) == ("203.0.113.8", 8)


def test_what_was_a_flood_is_forgotten(topology, neighbour, server, setting):
    flood(neighbour, 500)
    forget(topology, setting)
    setting("map_timeout", 300)
    neighbour.send(b"data", 4011, front=FRONT)
    server.recvfrom(100)
    assert health(topology.servers[0])["mappings"] == 1


def idle(topology, port):
    """Seconds for which nothing was heard of a flow."""
    rows = topology.servers[0].read("/proc/net/uoa_clients").splitlines()
    return next(int(row.split()[3]) for row in rows if row.startswith(f"{NEIGHBOUR}:{port} "))


def grow_idle(topology, port):
    """Hear nothing of a flow for a while."""
    wait_until(lambda: idle(topology, port) >= 2, "two seconds of silence")


def test_a_flow_is_known_while_it_names_its_client_or_is_asked_for_and_a_while(topology, neighbour, server, setting):
    setting("map_timeout", 300)
    neighbour.send(b"data", 4012, front=FRONT)
    server.recvfrom(100)
    for front, options in ((FRONT, b""), (b"", option(*CLIENT))):
        grow_idle(topology, 4012)
        neighbour.send(b"plain", 4012)
        server.recvfrom(100)
        assert idle(topology, 4012) >= 2, "a datagram that says nothing is not looked at"
        neighbour.send(b"more", 4012, front=front, options=options)
        server.recvfrom(100)
        assert idle(topology, 4012) < 2
    grow_idle(topology, 4012)
    assert ask(server, (NEIGHBOUR, 4012), LOCAL) == CLIENT
    assert idle(topology, 4012) < 2
    setting("map_timeout", 1)
    wait_until(lambda: f"{NEIGHBOUR}:4012" not in clients(topology.servers[0]), "the end of the flow")
    assert ask(server, (NEIGHBOUR, 4012), LOCAL) == "No such file or directory"


def test_in_transparent_mode_a_flow_is_known_for_as_long_as_it_lasts(topology, transparent, neighbour, server, setting):
    setting("map_timeout", 300)
    neighbour.send(b"data", 4013, front=FRONT)
    assert server.recvfrom(100)[1] == CLIENT
    grow_idle(topology, 4013)
    neighbour.send(b"more", 4013)
    assert server.recvfrom(100)[1] == CLIENT
    assert idle(topology, 4013) < 2, "also by datagrams without an address"
    grow_idle(topology, 4013)
    server.sendto(b"answer", CLIENT)
    assert idle(topology, 4013) < 2, "and by answers"


@pytest.mark.parametrize("name, value", [
    ("map_max", 0), ("map_max", (1 << 22) + 1), ("map_timeout", 0), ("map_timeout", 86401),
])
def test_settings_have_their_bounds(topology, uoa, name, value):
    with pytest.raises(OSError):
        topology.servers[0].sysctl(f"net.ipv4.uoa.{name}", value)


@pytest.mark.parametrize("trust, believed", [
    (f"{NEIGHBOUR}/32", True), ("10.0.0.0/8,192.168.229.0/24", True), ("192.168.229.51", False),
    ("2001:db8::/32", False),
])
def test_only_those_on_the_list_are_believed(topology, neighbour, server, setting, trust, believed):
    setting("trust", trust)
    before = health(topology.servers[0])["addresses_not_trusted"]
    first = 4020 if believed else 4030
    for port, front, options in ((first, FRONT, b""), (first + 1, b"", option(*CLIENT))):
        neighbour.send(b"data", port, front=front, options=options)
        assert server.recvfrom(100)[0] == b"data", "it is a datagram still"
        said = ask(server, (NEIGHBOUR, port), LOCAL)
        assert said == (CLIENT if believed else "No such file or directory")
    assert health(topology.servers[0])["addresses_not_trusted"] == before + (0 if believed else 2)


def test_each_load_says_once_that_everyone_is_believed(neighbour, server):
    def said():
        lines = (line for line in run("dmesg").stdout.splitlines() if "uoa: addresses of clients are believed" in line)
        return sum("net.ipv4.uoa.trust" in line for line in lines)

    modules.remove("uoa")
    modules.insert("uoa")
    before = said()
    for port in range(4040, 4043):
        neighbour.send(b"data", port, front=FRONT)
        server.recvfrom(100)
    assert said() == before + 1
