# SPDX-License-Identifier: GPL-2.0
"""What an operator sees of clients: the listing, and the tracepoint."""

import json
import re
import socket
from pathlib import Path

from lib.neighbour import NEIGHBOUR
from lib.neighbour import accepted
from lib.neighbour import listener
from lib.packets import toa as option
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.waiting import wait_until

TRACING = Path("/sys/kernel/tracing")


def listing(namespace):
    """Rows of /proc/net/toa_clients."""
    heading, *rows = namespace.read("/proc/net/toa_clients").splitlines()
    assert heading == "Socket Local Peer Client"
    return [row.split() for row in rows]


def test_a_socket_its_peer_and_its_client_are_listed_until_it_ends(topology, neighbour):
    server = topology.servers[0]
    assert listing(server) == []
    with listener(server) as listening:
        neighbour.connect(53000, 8080, on_ack=option("203.0.113.7", 51234))
        connection, _ = listening.accept()
        with connection:
            (number, *ends), = listing(server)
            assert ends == [f"{SERVERS[0]}:8080", f"{NEIGHBOUR}:53000", "203.0.113.7:51234"]
            shown = server.run("ss", "-tneH", "dst", NEIGHBOUR).stdout
            assert f"sk:{number} " in shown and f"{NEIGHBOUR}:53000" in shown, "ss goes on showing the wire"
            assert listing(topology.servers[1]) == []
        neighbour.reset(53000, 8080)
    wait_until(lambda: listing(server) == [], "the end of the socket")


def test_an_ipv6_client_is_listed_in_brackets(topology, neighbour):
    server = topology.servers[0]
    client = bytes((254, 20)) + b"\xc8\x22" + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    with listener(server, family=socket.AF_INET6) as listening:
        neighbour.connect(53001, 8080, on_ack=client)
        assert accepted(listening) == ("2001:db8::7", 51234)
        assert [row[1:] for row in listing(server)] in (
            [[f"{SERVERS[0]}:8080", f"{NEIGHBOUR}:53001", "[2001:db8::7]:51234"]], []
        )
        neighbour.reset(53001, 8080)


def test_each_of_many_connections_is_listed_once(topology, fullnat, toa):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 1000, "-p", 100, "--hold")
    assert json.loads(held.read_line())["own_peer"] == 1000
    rows = [row for server in topology.servers for row in listing(server)]
    assert len(rows) == len({row[3] for row in rows}) == 1000
    assert all(row[2].startswith(f"{LOCAL}:") and row[3].startswith(f"{CLIENT}:") for row in rows)
    held.finish()
    wait_until(lambda: not any(listing(server) for server in topology.servers), "the end of all sockets")


def test_the_tracepoint_fires_when_a_client_is_attached(topology, neighbour):
    switch = TRACING / "events/toa/toa_client/enable"
    (TRACING / "trace").write_text("", encoding="ascii")
    switch.write_text("1", encoding="ascii")
    try:
        with listener(topology.servers[0]) as listening:
            neighbour.connect(53002, 8080)
            accepted(listening)
            neighbour.reset(53002, 8080)
            neighbour.connect(53003, 8080, on_ack=option("203.0.113.7", 51234))
            accepted(listening)
            neighbour.reset(53003, 8080)
    finally:
        switch.write_text("0", encoding="ascii")
    lines = [line for line in (TRACING / "trace").read_text(encoding="ascii").splitlines() if "toa_client:" in line]
    line, = lines
    assert re.search(r"sk=[0-9a-f]+ peer=\[::ffff:192.168.229.50\]:53003 client=\[::ffff:203.0.113.7\]:51234$", line)
