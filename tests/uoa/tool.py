# SPDX-License-Identifier: GPL-2.0
"""rstoa on a real server with UDP programs."""

import json

from lib.topology import SERVERS
from lib.uoa import NEIGHBOUR
from lib.uoa import header
from lib.uoa import health
from lib.uoa import option
from lib.uoa import program
from lib.uoa import stats

CLIENT = "203.0.113.7:51234"


def test_it_finds_the_client_behind_a_flow(topology, neighbour):
    host = topology.servers[0]
    with program(host, SERVERS[0]) as sock:
        for port, client in ((57000, "203.0.113.7"), (57001, "2001:db8::7")):
            neighbour.send(b"data", port, front=header(option(client, 51234), 2 if ":" in client else 1))
            sock.recvfrom(100)
    said = host.run("rstoa", "list", f"{NEIGHBOUR}:57000").stdout.splitlines()
    assert [line.split() for line in said] == [
        ["Proto", "Socket", "Local", "Peer", "Client"],
        ["udp", "-", f"{SERVERS[0]}:5300", f"{NEIGHBOUR}:57000", CLIENT],
    ]
    row, = json.loads(host.run("rstoa", "--json", "list", "2001:db8::7").stdout)
    assert 0 <= row.pop("idle") < 60
    assert row == {"protocol": "udp", "local": f"{SERVERS[0]}:5300", "peer": f"{NEIGHBOUR}:57001",
                   "client": "[2001:db8::7]:51234"}
    assert json.loads(topology.servers[1].run("rstoa", "--json").stdout) == []


def test_it_shows_what_the_module_has_counted(topology, neighbour):
    host = topology.servers[0]
    with program(host, SERVERS[0]) as sock:
        neighbour.send(b"data", 57002, front=header(option("203.0.113.7", 51234)))
        sock.recvfrom(100)
    said = json.loads(host.run("rstoa", "stats", "--json").stdout)
    names = {"Got": "uoa_got", "None": "uoa_none", "Saved": "uoa_saved", "Ack-Fail": "uoa_ack_fail"}
    assert said["uoa_stats"] == {names.get(name, name.lower()): value for name, value in stats(host).items()}
    assert said["uoa_stats"]["uoa_saved"] > 0 and said["uoa_health"] == health(host)
