# SPDX-License-Identifier: GPL-2.0
"""Programs that know nothing of uoa.ko: they get datagrams from their clients, and answer these."""

import socket

import pytest

from lib.packets import IPv4
from lib.packets import Udp
from lib.topology import SERVERS
from lib.uoa import NEIGHBOUR
from lib.uoa import ask
from lib.uoa import header
from lib.uoa import health
from lib.uoa import option
from lib.uoa import program

CLIENT = ("203.0.113.7", 51234)
OTHER = ("198.51.100.9", 9)
FRONT = header(option(*CLIENT))
SECOND = "192.168.229.51"

pytestmark = pytest.mark.usefixtures("shown")


def answered(neighbour, data, port=4000, server=SERVERS[0], to=None):
    """Whether the neighbour, from whom the client's datagrams come, gets an answer that is right."""
    packet = neighbour.receive(port, to)
    assert not packet.wrong_checksums()
    assert (packet.source, packet.udp.sport, packet.udp.data) == (server, 5300, data)
    return True


@pytest.mark.parametrize("port, front, options", [
    (4001, FRONT, b""), (4002, b"", option(*CLIENT)),
], ids=["opp", "ipo"])
def test_a_datagram_comes_from_the_client_and_its_answer_goes_back(neighbour, server, port, front, options):
    neighbour.send(b"first", port, front=front, options=options)
    assert server.recvfrom(100) == (b"first", CLIENT)
    server.sendto(b"answer", CLIENT)
    assert answered(neighbour, b"answer", port)
    neighbour.send(b"second", port)
    assert server.recvfrom(100) == (b"second", CLIENT), "also without the address in front"
    server.sendto(b"again", CLIENT)
    assert answered(neighbour, b"again", port)


def test_without_an_address_it_comes_from_whom_it_comes(neighbour, server):
    neighbour.send(b"plain", 4003)
    assert server.recvfrom(100) == (b"plain", (NEIGHBOUR, 4003))
    server.sendto(b"answer", (NEIGHBOUR, 4003))
    assert answered(neighbour, b"answer", 4003)


def test_a_program_may_still_ask_for_the_flow_on_the_wire(neighbour, server):
    neighbour.send(b"data", 4004, front=FRONT)
    server.recvfrom(100)
    assert ask(server, (NEIGHBOUR, 4004), (SERVERS[0], 5300)) == CLIENT


def test_a_socket_that_is_connected_to_the_client_gets_its_datagrams_alone(topology, neighbour, server):
    clients = [CLIENT, OTHER]
    sockets = []
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for number, client in enumerate(clients):
        neighbour.send(b"begin", 4010 + number, front=header(option(*client)))
        assert server.recvfrom(100) == (b"begin", client)
        with topology.servers[0].entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(5)
        sock.bind((SERVERS[0], 5300))
        sock.connect(client)
        sockets.append(sock)
    try:
        for turn in range(3):
            for number, sock in enumerate(sockets):
                neighbour.send(b"more %d" % turn, 4010 + number)
                assert sock.recv(100) == b"more %d" % turn
                sock.send(b"yes %d" % turn)
                assert answered(neighbour, b"yes %d" % turn, 4010 + number)
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.recvfrom(100)
    finally:
        for sock in sockets:
            sock.close()


def test_sockets_that_share_a_port_share_the_clients(topology, neighbour):
    sockets = []
    try:
        for _ in range(4):
            with topology.servers[0].entered():
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setblocking(False)
            sock.bind(("0.0.0.0", 5300))
            sockets.append(sock)
        got = [0] * len(sockets)
        for number in range(40):
            client = (f"203.0.113.{number + 1}", 1000 + number)
            neighbour.send(b"%d" % number, 4100 + number, front=header(option(*client)))
            neighbour.send(b"next", 4100 + number)
            neighbour.send(b"mark", 4099, to=5301)
            for which, sock in enumerate(sockets):
                heard = 0
                while True:
                    try:
                        data, name = sock.recvfrom(100)
                    except BlockingIOError:
                        break
                    assert name == client
                    sock.sendto(b"to " + data, name)
                    assert answered(neighbour, b"to " + data, 4100 + number)
                    heard += 1
                if heard:
                    assert heard == 2, "one socket for one client"
                    got[which] += 1
        assert sum(got) == 40 and min(got) > 0, got
    finally:
        for sock in sockets:
            sock.close()


def test_an_answer_goes_to_the_flow_that_was_heard_of_last(neighbour, server):
    """A client that uses one port for two services, or two directors: the program cannot say which it answers."""
    neighbour.pretend(SECOND)
    for source, port in ((NEIGHBOUR, 4020), (SECOND, 4021)):
        neighbour.send(b"begin", port, front=FRONT, source=source)
        assert server.recvfrom(100) == (b"begin", CLIENT)
    for source, port in ((NEIGHBOUR, 4020), (SECOND, 4021), (SECOND, 4021), (NEIGHBOUR, 4020)):
        neighbour.send(b"data", port, source=source)
        assert server.recvfrom(100) == (b"data", CLIENT)
        server.sendto(b"answer", CLIENT)
        assert answered(neighbour, b"answer", port, to=source)


def test_at_several_addresses_each_answers_its_own_flow(topology, neighbour):
    host = topology.servers[0]
    host.ip("addr add 192.168.229.11/24 dev eth0")
    try:
        with program(host, SERVERS[0]) as one, program(host, "192.168.229.11") as two:
            neighbour.send(b"one", 4030, front=FRONT)
            neighbour.send(b"two", 4031, front=FRONT, server="192.168.229.11")
            for sock, port, address in ((one, 4030, SERVERS[0]), (two, 4031, "192.168.229.11")):
                assert sock.recvfrom(100)[1] == CLIENT
                sock.sendto(b"answer", CLIENT)
                assert answered(neighbour, b"answer", port, server=address)
    finally:
        host.ip("addr del 192.168.229.11/24 dev eth0")


def test_the_route_to_the_client_does_not_choose_the_address_of_an_answer(neighbour, server):
    """The way to clients is over another network here, whose address the kernel would take."""
    neighbour.send(b"data", 4032, front=FRONT)
    assert server.recvfrom(100)[1] == CLIENT
    server.sendto(b"answer", CLIENT)
    assert answered(neighbour, b"answer", 4032, server=SERVERS[0])


def test_a_program_at_another_address_talks_to_the_client_itself(topology, neighbour, server):
    neighbour.send(b"data", 4033, front=FRONT)
    assert server.recvfrom(100)[1] == CLIENT
    before = health(topology.servers[0])["answers_sent_back"]
    server.close()
    with program(topology.servers[0], "10.99.0.1") as sock:
        sock.sendto(b"direct", CLIENT)
    assert health(topology.servers[0])["answers_sent_back"] == before


@pytest.mark.parametrize("size", [0, 1, 1472, 1473, 9000])
def test_datagrams_of_any_size_in_both_directions(neighbour, server, size):
    neighbour.send(b"begin", 4040, front=FRONT)
    assert server.recvfrom(100)[1] == CLIENT
    data = bytes(number % 251 for number in range(size))
    whole = Udp(4040, 5300, data).build(NEIGHBOUR, SERVERS[0])
    for offset in range(0, len(whole), 1480):
        piece = whole[offset:offset + 1480]
        packet = IPv4(NEIGHBOUR, SERVERS[0], 17, piece, offset=offset, dont_fragment=False, identification=size,
                      more_fragments=offset + len(piece) < len(whole))
        neighbour.tap.send(packet, neighbour.mac)
    assert server.recvfrom(10000) == (data, CLIENT)
    server.sendto(data, CLIENT)
    got = neighbour.tap.receive_whole(lambda p: p.protocol == 17 and p.destination == NEIGHBOUR, "answer")
    assert got.udp.data == data and not got.wrong_checksums()


def test_a_datagram_without_a_checksum_stays_without(neighbour, server):
    datagram = Udp(4041, 5300, b"data", checksum=0).build(NEIGHBOUR, SERVERS[0])
    neighbour.tap.send(IPv4(NEIGHBOUR, SERVERS[0], 248, FRONT + datagram), neighbour.mac)
    assert server.recvfrom(100) == (b"data", CLIENT)


def test_a_wrong_checksum_stays_wrong(topology, neighbour, server):
    before = topology.servers[0].mib("UdpInCsumErrors")
    for port, front, protocol in ((4042, FRONT, 248), (4042, b"", 17)):
        datagram = Udp(port, 5300, b"wrong", checksum=0x1234).build(NEIGHBOUR, SERVERS[0])
        neighbour.tap.send(IPv4(NEIGHBOUR, SERVERS[0], protocol, front + datagram), neighbour.mac)
    neighbour.send(b"right", 4042)
    assert server.recvfrom(100) == (b"right", CLIENT)
    assert topology.servers[0].mib("UdpInCsumErrors") == before + 2


def test_a_socket_that_was_connected_to_the_address_on_the_wire_keeps_it(topology, neighbour):
    with program(topology.servers[0], SERVERS[0]) as sock:
        neighbour.send(b"named", 4050, front=FRONT)
        assert sock.recvfrom(100)[1] == CLIENT
        sock.connect((NEIGHBOUR, 4050))
        neighbour.send(b"more", 4050)
        assert sock.recv(100) == b"more"
        sock.send(b"answer")
        assert answered(neighbour, b"answer", 4050)


def test_the_mode_can_be_left_and_entered_again(topology, neighbour, server):
    host = topology.servers[0]
    for mode, name in ((0, (NEIGHBOUR, 4060)), (1, CLIENT), (0, (NEIGHBOUR, 4060)), (1, CLIENT)):
        host.sysctl("net.ipv4.uoa.transparent", mode)
        assert host.sysctl("net.ipv4.uoa.transparent") == str(mode)
        neighbour.send(b"data", 4060, front=FRONT)
        assert server.recvfrom(100) == (b"data", name)
        server.sendto(b"answer", name)
        assert answered(neighbour, b"answer", 4060)


@pytest.mark.parametrize("value", [2, -1, "on"])
def test_the_mode_is_0_or_1(topology, value):
    with pytest.raises(OSError):
        topology.servers[0].sysctl("net.ipv4.uoa.transparent", value)


def test_an_ipv6_client_of_an_ipv4_server_stays_the_directors_but_can_be_asked_for(topology, neighbour, server):
    before = health(topology.servers[0])["clients_of_other_family"]
    neighbour.send(b"data", 4070, front=header(option("2001:db8::7", 7), 2))
    assert server.recvfrom(100) == (b"data", (NEIGHBOUR, 4070))
    assert ask(server, (NEIGHBOUR, 4070), (SERVERS[0], 5300)) == ("2001:db8::7", 7)
    assert health(topology.servers[0])["clients_of_other_family"] == before + 1
