# SPDX-License-Identifier: GPL-2.0
"""Several local addresses of a service, and every port of one: 64,511 connections to one real server at once."""

import collections
import json
import struct

import pytest

from lib import ends as network
from lib.ends import Ends
from lib.ends import numbered
from lib.ip import UDP
from lib.ip import Packet
from lib.ip import packed
from lib.packets import ones_sum

VIP, LOCAL = network.VIP[4], network.LOCAL[4]
SERVICE = f"-u {VIP}:80"
PORTS = 65535 - 1025 + 1
BATCH = 256


@pytest.fixture(scope="module")
def ends():
    """A director between two packet sockets, with some more local addresses."""
    ends = Ends()
    try:
        ends.director.ip(*(f"addr add {numbered(network.LOCAL, 4, 100 + number)}/32 dev lo" for number in range(4)))
        yield ends
    finally:
        ends.delete()


@pytest.fixture(scope="module")
def clients(ends):
    """Clients of whom none comes twice."""
    return Clients(ends)


@pytest.fixture
def serve(ends):
    """Make a UDP service over some real servers and local addresses."""
    def make(servers, local):
        rules = [f"-A {SERVICE} -s rr", *(f"-P {SERVICE} -z {address}" for address in local)]
        rules += [f"-a {SERVICE} -r {address}:80 -b" for address in servers]
        ends.director.run("rsipvsadm", "-R", input="\n".join(rules) + "\n")
    yield make
    ends.director.run("rsipvsadm", "-C")


def listed(ends):
    """What -G says of every local address of the service."""
    shown = json.loads(ends.director.run("rsipvsadm", "-G", "-u", f"{VIP}:80", "--json").stdout)
    [service] = shown["services"]
    return {row["address"]: row for row in service["local_addresses"]}


class Clients:
    """Datagrams of ever new clients: frames made from one, of which only the source and the sums change."""

    def __init__(self, ends):
        self.ends = ends
        self.made = 0
        packet = Packet("0.0.0.0", VIP, UDP, struct.pack("!HHHH", 0, 80, 8, 0))
        self.head = ends.near.peer + ends.near.mac + b"\x08\x00"
        self.packet = packet.build()
        self.sum = ones_sum(self.packet[:10] + bytes(2) + self.packet[12:20])

    def send(self, count):
        """Send so many datagrams, each of a client of its own; without a checksum, as UDP over IPv4 may."""
        net, template = packed(network.CLIENT[4])[:3], self.packet
        for _ in range(count):
            host, port = divmod(self.made, 50000)
            self.made += 1
            source = net + bytes((host + 10,))
            total = self.sum + int.from_bytes(source[:2]) + int.from_bytes(source[2:])
            total = (total & 0xFFFF) + (total >> 16)
            total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
            self.ends.near.socket.send(
                self.head + template[:10] + struct.pack("!H", total) + source + template[16:20]
                + struct.pack("!H", port + 10000) + template[22:]
            )

    def arrive(self, count):
        """Send them, and return the (local address, port, server) with which each came to a real server."""
        seen = []
        while count:
            now = min(count, BATCH)
            self.send(now)
            count -= now
            seen += self._came()
        self.ends.settle()
        return seen + self._came()

    def _came(self):
        """What is in the far socket, without taking packets apart more than is needed."""
        came, far = [], self.ends.far.socket
        while True:
            try:
                frame = far.recv(2048)
            except BlockingIOError:
                return came
            if frame[23] == UDP and frame[36:38] == b"\x00\x50":
                came.append((frame[26:30], frame[34:36], frame[30:34]))


@pytest.mark.parametrize("locals_, servers", [(2, 2), (3, 2), (2, 3), (4, 2)])
def test_addresses_do_not_go_in_step_with_servers(ends, serve, clients, locals_, servers):
    local = [numbered(network.LOCAL, 4, 100 + number) for number in range(locals_)]
    behind = [numbered(network.SERVER, 4, 100 + number) for number in range(servers)]
    serve(behind, local)
    count = 60 * locals_ * servers
    seen = clients.arrive(count)
    assert len(seen) == len(set(seen)) == count
    pairs = collections.Counter((address, server) for address, _, server in seen)
    assert len(pairs) == locals_ * servers, f"some pairs are never used: {pairs}"
    # Every server is chosen in turn; of addresses only chance decides.
    assert collections.Counter(server for *_, server in seen) == {packed(s): count // servers for s in behind}
    assert min(pairs.values()) > 60 // 4, pairs
    rows = listed(ends)
    assert sum(row["connections"] for row in rows.values()) == count
    assert {row["failed"] for row in rows.values()} == {0}


@pytest.mark.limit(120)
def test_every_port_of_one_address_holds_a_connection_and_a_second_server_doubles_them(ends, serve, clients):
    one, two = (numbered(network.SERVER, 4, number) for number in (31, 32))
    serve([one], [LOCAL])
    before = ends.counters()
    fresh = listed(ends)[LOCAL]
    assert (fresh["connections"], fresh["free"]) == (0, PORTS)
    seen = clients.arrive(PORTS)
    assert len(seen) == PORTS == len({port for _, port, _ in seen})
    full = listed(ends)[LOCAL]
    assert (full["connections"], full["free"], full["failed"]) == (PORTS, 0, 0)
    assert clients.arrive(3) == [], "no port is left for anybody else"
    assert listed(ends)[LOCAL]["failed"] == 3
    after = ends.counters()
    assert after["fullnat_no_port"] - before["fullnat_no_port"] == 3
    assert after["fullnat_conn_new"] - before["fullnat_conn_new"] == PORTS
    ends.director.run("rsipvsadm", "-a", *SERVICE.split(), "-r", f"{two}:80", "-b")
    ends.director.run("rsipvsadm", "-e", *SERVICE.split(), "-r", f"{one}:80", "-b", "-w", 0)
    again = clients.arrive(PORTS)
    assert {server for *_, server in again} == {packed(two)}
    assert len(again) == PORTS == len({port for _, port, _ in again})
    assert listed(ends)[LOCAL]["connections"] == 2 * PORTS
    assert clients.arrive(1) == []
