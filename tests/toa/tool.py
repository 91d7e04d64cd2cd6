# SPDX-License-Identifier: GPL-2.0
"""rstoa on a real server."""

import json

from lib.neighbour import NEIGHBOUR
from lib.neighbour import accepted
from lib.neighbour import listener
from lib.neighbour import statistics
from lib.packets import toa as option
from lib.topology import SERVERS

TRUST = "net.ipv4.toa.trust"
CLIENT = "203.0.113.7:51234"


def test_it_finds_the_client_behind_a_connection(topology, neighbour):
    server = topology.servers[0]
    with listener(server) as listening:
        neighbour.connect(56000, 8080, on_ack=option("203.0.113.7", 51234))
        neighbour.connect(56001, 8080, on_ack=option("198.51.100.1", 4242))
        with listening.accept()[0], listening.accept()[0]:
            said = server.run("rstoa", "list", f"{NEIGHBOUR}:56000").stdout.splitlines()
            assert said[0].split() == ["Proto", "Socket", "Local", "Peer", "Client"]
            (proto, socket, *ends), = [line.split() for line in said[1:]]
            assert [proto, *ends] == ["tcp", f"{SERVERS[0]}:8080", f"{NEIGHBOUR}:56000", CLIENT]
            rows = json.loads(server.run("rstoa", "--json", "list", "203.0.113.7").stdout)
            assert rows == [{
                "protocol": "tcp", "socket": socket, "local": ends[0], "peer": ends[1], "client": ends[2],
            }]
            assert len(json.loads(server.run("rstoa", "--json").stdout)) == 2
            assert json.loads(topology.servers[1].run("rstoa", "--json").stdout) == []
        neighbour.reset(56000, 8080)
        neighbour.reset(56001, 8080)


def test_it_shows_what_the_module_has_counted(topology, neighbour):
    server = topology.servers[0]
    with listener(server) as listening:
        neighbour.connect(56002, 8080, on_ack=option("203.0.113.7", 51234))
        accepted(listening)
        neighbour.reset(56002, 8080)
    said = json.loads(server.run("rstoa", "stats", "--json").stdout)
    assert said["toa_stats"] == statistics(server) and said["toa_stats"]["syn_recv_sock_toa"] > 0
    assert said["toa_health"]["connections_missed"] == 0


def test_it_says_who_is_believed(topology, neighbour):
    server = topology.servers[0]
    try:
        assert server.run("rstoa", "trust", "--only", "toa").stdout == "toa: everyone\n"
        server.run("rstoa", "trust", "--only", "toa", "set", "192.168.229.51", "2001:db8::/32")
        assert server.sysctl(TRUST) == "192.168.229.51 2001:db8::/32"
        with listener(server) as listening:
            neighbour.connect(56003, 8080, on_ack=option("203.0.113.7", 51234))
            assert accepted(listening) == (NEIGHBOUR, 56003)
            neighbour.reset(56003, 8080)
        saved = server.run("rstoa", "save").stdout
        assert f"{TRUST} = 192.168.229.51 2001:db8::/32\n" in saved
        server.run("rstoa", "trust", "clear")
        assert server.sysctl(TRUST) == ""
        server.run("rstoa", "restore", input=saved)
        assert server.sysctl(TRUST) == "192.168.229.51 2001:db8::/32"
        assert "no prefix" in server.run("rstoa", "trust", "add", "nonsense", code=1).stderr
    finally:
        server.sysctl(TRUST, "")
