# SPDX-License-Identifier: GPL-2.0
"""Hosts of containers and guests: who takes the address off, and where it is known then."""

import dataclasses
import itertools
import socket
import struct

import pytest

from lib import modules
from lib.ip import Packet
from lib.ip import summed
from lib.namespace import Namespace
from lib.namespace import run
from lib.packets import IPv4
from lib.packets import Udp
from lib.six import Tap
from lib.six import add_ipv6
from lib.uoa import NEIGHBOUR
from lib.uoa import OPP
from lib.uoa import UDP
from lib.uoa import ask
from lib.uoa import header
from lib.uoa import health
from lib.uoa import option
from lib.uoa import program

CLIENT, CLIENT6 = ("203.0.113.7", 51234), ("2001:db8::7", 51234)
NEIGHBOUR6 = "2001:db8:229::50"
FRONT, FRONT6 = header(option(*CLIENT)), header(option(*CLIENT6), 2)
UNKNOWN = "No such file or directory"
_numbers = itertools.count(1)


@dataclasses.dataclass
class Guest:
    """A namespace behind the first real server; neither knows more of the other than its addresses."""

    namespace: Namespace
    address: str
    address6: str
    neighbour: object
    mac: bytes

    def send(self, data, port, front=b"", options=b"", tail=b"", **fields):
        """Send it a datagram over IPv4, and bytes behind the packet."""
        datagram = Udp(port, 5300, data).build(NEIGHBOUR, self.address)
        packet = IPv4(NEIGHBOUR, self.address, OPP if front else UDP, front + datagram, options=options, **fields)
        self.neighbour.tap.send(packet.build() + tail, self.mac)

    def send6(self, data, port, front=b""):
        """Send it a datagram over IPv6."""
        message = struct.pack("!HHHH", port, 5300, 8 + len(data), 0) + data
        datagram = summed(NEIGHBOUR6, self.address6, UDP, message, 6)
        packet = Packet(NEIGHBOUR6, self.address6, OPP if front else UDP, front + datagram)
        frame = self.mac + self.neighbour.tap.mac + struct.pack("!H", 0x86DD) + packet.build()
        self.neighbour.tap.socket.send(frame)

    def receive(self, tap, port):
        """The next datagram that comes to it from a port, with or without something in front."""
        def is_it(packet):
            return packet.protocol in (UDP, OPP) and struct.pack("!HH", port, 5300) in packet.payload

        return tap.receive(is_it, f"datagram from port {port}")


def routed(host, namespace):
    """The host is the guest's router."""
    for setting in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        host.sysctl(setting, 1)
    host.ip("addr add 10.88.0.1/24 dev guest0", "addr add 2001:db8:88::1/64 dev guest0 nodad")
    namespace.ip("addr add 10.88.0.2/24 dev eth0", "route add default via 10.88.0.1",
                 "addr add 2001:db8:88::2/64 dev eth0 nodad", "route add default via 2001:db8:88::1",
                 f"neigh add 10.88.0.1 lladdr {mac(host, 'guest0').hex(':')} dev eth0 nud permanent")
    address = mac(namespace, "eth0").hex(":")
    host.ip(*(f"neigh add {to} lladdr {address} dev guest0 nud permanent" for to in ("10.88.0.2", "2001:db8:88::2")))
    return "10.88.0.2", "2001:db8:88::2", mac(host, "eth0")


def bridged(host, namespace):
    """The host's bridge has a port for the guest, and one for the rest of the world."""
    host.ip("link add br0 type bridge", "link set eth0 master br0", "link set guest0 master br0", "link set br0 up")
    namespace.ip("addr add 192.168.229.60/24 dev eth0", "addr add 2001:db8:229::60/64 dev eth0 nodad")
    return "192.168.229.60", "2001:db8:229::60", mac(namespace, "eth0")


def mac(namespace, interface):
    """The Ethernet address of an interface."""
    with namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0))
        return link.getsockname()[4]


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


@pytest.fixture(params=[routed, bridged])
def guest(request, topology, neighbour):
    """A guest of either kind."""
    host, name = topology.servers[0], f"guest-{next(_numbers)}"
    run("ip", "netns", "add", name)
    namespace = Namespace(name)
    host.ip(f"link add guest0 type veth peer name eth0 netns {name}", "link set guest0 up")
    namespace.ip("link set lo up", "link set eth0 up")
    address, address6, link = request.param(host, namespace)
    yield Guest(namespace, address, address6, neighbour, link)
    namespace.delete()
    host.run("ip", "link", "del", "guest0", code=None)
    host.run("ip", "link", "del", "br0", code=None)


@pytest.fixture
def forward(topology, uoa):
    """Says on the host which interfaces lead to guests that know nothing of protocol 248."""
    def say(names):
        topology.servers[0].sysctl("net.ipv4.uoa.forward", names)

    yield say
    if modules.loaded("uoa"):
        say("")


def known(namespace, guest, port):
    """The client that a namespace knows of the flow from a port to a guest."""
    rows = map(str.split, namespace.read("/proc/net/uoa_clients").splitlines()[1:])
    wires = (f"{NEIGHBOUR}:{port}", f"[{NEIGHBOUR6}]:{port}"), (f"{guest.address}:5300", f"[{guest.address6}]:5300")
    return next((client for peer, local, client, _ in rows if peer in wires[0] and local in wires[1]), None)


def end(client):
    """How a list writes a client."""
    return f"[{client[0]}]:{client[1]}" if ":" in client[0] else f"{client[0]}:{client[1]}"


def test_a_container_has_its_own_word_without_the_host(topology, guest):
    """Every namespace of a kernel takes the header off for itself."""
    with program(guest.namespace, guest.address) as sock:
        guest.send(b"data", 4500, FRONT)
        data, peer = sock.recvfrom(100)
        assert (data, peer) == (b"data", (NEIGHBOUR, 4500))
        assert ask(sock, peer, (guest.address, 5300)) == CLIENT
    assert known(guest.namespace, guest, 4500) == end(CLIENT) and known(topology.servers[0], guest, 4500) is None


@pytest.mark.parametrize("names", ["guest0", "eth7,guest*", "*"])
@pytest.mark.parametrize("front, client", [(FRONT, CLIENT), (FRONT6, CLIENT6)], ids=["IPv4", "IPv6"])
def test_the_header_comes_off_on_the_way_to_a_guest(topology, guest, forward, names, front, client):
    host = topology.servers[0]
    forward(names)
    before = health(host)["forwarded_without_header"]
    with Tap(guest.namespace) as tap, program(guest.namespace, guest.address) as sock, \
            program(host, "0.0.0.0") as other:
        for tail in (b"", b"padding"):
            guest.send(b"data", 4501, front, tail=tail)
            packet = guest.receive(tap, 4501)
            assert (packet.protocol, packet.options, packet.udp.data) == (UDP, b"", b"data")
            assert packet.length == 20 + 8 + 4 and packet.sums_up(UDP, packet.payload)
            assert sock.recvfrom(100) == (b"data", (NEIGHBOUR, 4501))
        assert ask(sock, (NEIGHBOUR, 4501), (guest.address, 5300)) == UNKNOWN, "its kernel has seen nothing"
        assert ask(other, (NEIGHBOUR, 4501), (guest.address, 5300)) == client, "the host's has"
    assert known(host, guest, 4501) == end(client)
    assert health(host)["forwarded_without_header"] == before + 2


def test_the_same_over_ipv6(topology, guest, forward):
    forward("guest0")
    with Tap(guest.namespace) as tap, program(guest.namespace, guest.address6) as sock:
        guest.send6(b"data", 4502, FRONT6)
        packet = guest.receive(tap, 4502)
        assert (packet.protocol, packet.udp.data, packet.length) == (UDP, b"data", 40 + 8 + 4)
        assert packet.sums_up(UDP, packet.payload)
        assert sock.recvfrom(100)[:1] == (b"data",)
    assert known(topology.servers[0], guest, 4502) == end(CLIENT6)


def test_on_the_way_to_other_interfaces_it_stays(topology, guest, forward):
    forward("guest eth0 guest00 br1")
    with Tap(guest.namespace) as tap:
        guest.send(b"data", 4503, FRONT)
        assert guest.receive(tap, 4503).protocol == OPP
        forward("guest0")
        guest.send(b"data", 4503, FRONT)
        assert guest.receive(tap, 4503).protocol == UDP
        forward("")
        guest.send(b"data", 4503, FRONT)
        assert guest.receive(tap, 4503).protocol == OPP


@pytest.mark.parametrize("port, front, options", [
    (4504, FRONT, b""), (4514, b"", option(*CLIENT)),
], ids=["opp", "ipo"])
def test_an_address_that_goes_ahead_stops_at_the_host(topology, guest, forward, port, front, options):
    forward("guest0")
    with program(guest.namespace, guest.address) as sock:
        guest.send(b"", port, front, options)
        guest.send(b"mark", port)
        assert sock.recvfrom(100)[0] == b"mark"
    assert known(topology.servers[0], guest, port) == end(CLIENT)


def test_an_option_is_read_and_stays(topology, guest, forward):
    forward("guest0")
    with Tap(guest.namespace) as tap:
        guest.send(b"data", 4505, options=option(*CLIENT))
        assert guest.receive(tap, 4505).options == option(*CLIENT)
    assert known(topology.servers[0], guest, 4505) == end(CLIENT)


@pytest.mark.parametrize("front, fields", [
    (header(option(*CLIENT), length=0), {}), (header(option(*CLIENT), length=3), {}),
    (header(option(*CLIENT), length=10), {}), (header(option(*CLIENT), length=400), {}),
    (header(option(*CLIENT), version=3), {}), (header(option(*CLIENT), protocol=6), {}),
    (FRONT, {"total_length": 34}),
], ids=["length 0", "length 3", "length 10", "too long", "version", "protocol", "shorter than it is"])
def test_nonsense_goes_no_further(topology, guest, forward, front, fields):
    forward("guest0")
    before = health(topology.servers[0])["headers_malformed"]
    with Tap(guest.namespace) as tap:
        guest.send(b"nonsense", 4506, front, **fields)
        guest.send(b"mark", 4506)
        assert guest.receive(tap, 4506).udp.data == b"mark"
    assert health(topology.servers[0])["headers_malformed"] == before + 1


def test_a_wrong_checksum_stays_wrong(guest, forward):
    forward("guest0")
    with Tap(guest.namespace) as tap:
        datagram = Udp(4507, 5300, b"wrong", checksum=0x1234).build(NEIGHBOUR, guest.address)
        guest.neighbour.tap.send(IPv4(NEIGHBOUR, guest.address, OPP, FRONT + datagram), guest.mac)
        packet = guest.receive(tap, 4507)
        assert packet.protocol == UDP and packet.udp.checksum == 0x1234


def test_fragments_go_as_they_are(guest, forward):
    forward("guest0")
    with Tap(guest.namespace) as tap:
        guest.send(b"piece", 4508, FRONT, more_fragments=True, dont_fragment=False, identification=1)
        assert guest.receive(tap, 4508).protocol == OPP


def test_a_stranger_is_not_believed_but_his_datagram_arrives(topology, guest, forward, setting):
    forward("guest0")
    setting("trust", "10.99.99.99")
    before = health(topology.servers[0])["addresses_not_trusted"]
    with Tap(guest.namespace) as tap:
        guest.send(b"data", 4509, FRONT)
        assert guest.receive(tap, 4509).protocol == UDP
    assert health(topology.servers[0])["addresses_not_trusted"] == before + 1
    assert known(topology.servers[0], guest, 4509) is None


def test_it_goes_with_the_module(guest, forward):
    forward("guest0")
    modules.remove("uoa")
    with Tap(guest.namespace) as tap:
        guest.send(b"data", 4510, FRONT)
        assert guest.receive(tap, 4510).protocol == OPP
    modules.insert("uoa")


@pytest.mark.parametrize("names, shown", [
    ("eth0", "eth0"), ("eth0, vnet*\tbr-9", "eth0 vnet* br-9"), ("*", "*"), (" ", ""), ("abcdefghijklmno", None),
    ("abcdefghijklmnop", ""), ("a" * 16 + "*", ""), ("a/b", ""), ("a*b", ""), ("a:b", ""),
    (" ".join(f"if{number}" for number in range(32)), None), (" ".join(f"if{number}" for number in range(33)), ""),
])
def test_the_list_is_taken_as_a_whole_or_not_at_all(topology, forward, names, shown):
    host = topology.servers[0]
    if shown == "" and names.strip():
        with pytest.raises(OSError):
            forward(names)
    else:
        forward(names)
    assert host.sysctl("net.ipv4.uoa.forward") == (names if shown is None else shown)


def test_a_host_may_go_away_with_its_list(uoa):
    run("ip", "netns", "add", "short-lived")
    short = Namespace("short-lived")
    short.sysctl("net.ipv4.uoa.forward", "*")
    short.delete()
