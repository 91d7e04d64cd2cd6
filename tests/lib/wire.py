# SPDX-License-Identifier: GPL-2.0
"""Ends of the topology that no kernel answers for: the test itself is client and real server, packet by packet.

The client 172.16.0.9 stands behind the client's link and the server 192.168.229.9 behind that of rs1; both kernels
drop what is for these addresses, and the test reads it from packet sockets.
"""

import select
import socket
import struct
import time

from . import packets
from .namespace import Failed
from .packets import IPv4
from .topology import VIP

CLIENT = "172.16.0.9"
SERVER = "192.168.229.9"
_OUTGOING = 4
_ETH_P_IP = 0x0800


class Tap:
    """A packet socket on an interface: sends frames and keeps what passes."""

    def __init__(self, namespace, interface):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((interface, _ETH_P_IP))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]

    def send(self, packet, to):
        """Send an IPv4 packet, or its bytes, to an Ethernet address."""
        data = packet if isinstance(packet, bytes) else packet.build()
        self.socket.send(to + self.mac + struct.pack("!H", _ETH_P_IP) + data)

    def receive(self, wanted, what, timeout=3.0, outgoing=False):
        """The next packet for which wanted(packet) is true; others are passed over."""
        end = time.monotonic() + timeout
        passed = []
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            for packet in self.read(outgoing):
                if wanted(packet):
                    return packet
                passed.append(packet)
        raise Failed(f"no {what} within {timeout:.0f} s; passed over: {passed}")

    def receive_whole(self, wanted, what):
        """The same for a packet that may come in fragments, put together."""
        pieces = []
        while not pieces or sum(len(piece.payload) for piece in pieces) < pieces[-1].offset + len(pieces[-1].payload) \
                or pieces[-1].more_fragments:
            pieces.append(self.receive(wanted, f"rest of a {what}"))
            pieces.sort(key=lambda piece: piece.offset)
        whole = IPv4(pieces[0].source, pieces[0].destination, pieces[0].protocol, b"".join(p.payload for p in pieces))
        return IPv4.parse(whole.build())

    def read(self, outgoing=False):
        """Yield what has come so far, one by one."""
        while True:
            try:
                frame, (_, _, direction, *_) = self.socket.recvfrom(1 << 17)
            except BlockingIOError:
                return
            if outgoing == (direction == _OUTGOING):
                yield IPv4.parse(frame[14:])

    def close(self):
        """Stop."""
        self.socket.close()


class Wire:
    """The test's own client and real server on a topology."""

    def __init__(self, topology):
        self.topology = topology
        director = topology.director
        self.near = Tap(topology.client, "eth0")
        self.far = Tap(topology.servers[0], "eth0")
        links = {}
        for name in ("wan", "lan1"):
            with director.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
                link.bind((name, 0))
                links[name] = link.getsockname()[4]
        self.wan, self.lan = links["wan"], links["lan1"]
        director.ip(
            f"neigh replace {CLIENT} lladdr {self.near.mac.hex(':')} dev wan nud permanent",
            f"neigh replace {SERVER} lladdr {self.far.mac.hex(':')} dev lan1 nud permanent",
            f"route replace {SERVER} dev lan1",
        )
        self.echoes = 0

    def from_client(self, protocol, payload, **header):
        """Send an IPv4 packet from the client to the VIP."""
        header = {"source": CLIENT, "destination": VIP, **header}
        self.near.send(IPv4(protocol=protocol, payload=payload, **header), self.wan)

    def from_server(self, protocol, payload, destination, **header):
        """Send an IPv4 packet from the server to a local address."""
        header = {"source": SERVER, "destination": destination, **header}
        self.far.send(IPv4(protocol=protocol, payload=payload, **header), self.lan)

    def settle(self):
        """Wait until the director has dealt with everything sent before: it answers a ping of the VIP."""
        self.echoes += 1
        mark = struct.pack("!HH", 0xF00D, self.echoes & 0xFFFF)
        self.from_client(socket.IPPROTO_ICMP, packets.Icmp(8, 0, mark).build())
        self.near.receive(
            lambda p: p.protocol == socket.IPPROTO_ICMP and p.icmp.kind == 0 and p.icmp.rest == mark, "echo reply"
        )

    def flush(self):
        """Forget what was captured."""
        self.settle()
        for tap in (self.near, self.far):
            for _ in tap.read():
                pass

    def quiet(self, what):
        """Fail if anything for this server came through since the last packet that was taken."""
        self.settle()
        got = [packet for packet in self.far.read() if packet.destination == SERVER]
        if got:
            raise Failed(f"{what} reached the real server: {got}")

    def close(self):
        """Stop."""
        self.near.close()
        self.far.close()


class Conversation:
    """One TCP connection; every call sends one segment from one end and returns it as the other end gets it."""

    def __init__(self, wire, sport, vport=81, rport=81, vip=VIP):
        self.wire, self.sport, self.vport, self.rport, self.vip = wire, sport, vport, rport, vip
        self.seq = 0x10000000 + sport  # Next of the client, as the client counts.
        self.ack = 0                   # Next of the server, as the client counts.
        self.seen_seq = None           # Next of the client, as the server counts.
        self.server_seq = 0x70000000 + sport
        self.local = None              # Local address and port, once the server has seen them.

    def send_client(self, flags, data=b"", options=b"", header=None, **fields):
        """Send a segment from the client without looking for it."""
        bits = sum(packets.FLAGS[flag] for flag in flags)
        fields = {"seq": self.seq, "ack": self.ack if bits & packets.ACK else 0, **fields}
        segment = packets.Tcp(self.sport, self.vport, bits, data=data, options=options, **fields)
        header = {"destination": self.vip, **(header or {})}
        self.wire.from_client(socket.IPPROTO_TCP, segment.build(CLIENT, header["destination"]), **header)
        if fields["seq"] == self.seq:  # A retransmission moves nothing.
            self.seq += len(data) + ("S" in flags) + ("F" in flags)

    def client(self, flags, data=b"", options=b"", **fields):
        """Send a segment from the client; returns the packet the real server gets."""
        self.send_client(flags, data, options, **fields)
        packet = self.wire.far.receive(self._to_server, f"{flags} segment at the real server")
        segment = packet.tcp
        self.local = (packet.source, segment.sport)
        end = segment.seq + len(segment.data) + ("S" in flags) + ("F" in flags)
        self.seen_seq = end & 0xFFFFFFFF
        return packet

    def _to_server(self, packet):
        return packet.destination == SERVER and packet.protocol == socket.IPPROTO_TCP \
            and packet.tcp.dport == self.rport and self.local in (None, (packet.source, packet.tcp.sport))

    def send_server(self, flags, data=b"", options=b"", header=None, **fields):
        """Send a segment from the real server without looking for it."""
        bits = sum(packets.FLAGS[flag] for flag in flags)
        fields = {"seq": self.server_seq, "ack": self.seen_seq if bits & packets.ACK else 0, **fields}
        address, port = self.local
        segment = packets.Tcp(self.rport, port, bits, data=data, options=options, **fields)
        self.wire.from_server(socket.IPPROTO_TCP, segment.build(SERVER, address), address, **(header or {}))
        self.server_seq += len(data) + ("S" in flags) + ("F" in flags)

    def server(self, flags, data=b"", options=b"", **fields):
        """Send a segment from the real server; returns the packet the client gets."""
        self.send_server(flags, data, options, **fields)
        packet = self.wire.near.receive(self._to_client, f"{flags} segment at the client")
        end = packet.tcp.seq + len(packet.tcp.data) + ("S" in flags) + ("F" in flags)
        self.ack = end & 0xFFFFFFFF
        return packet

    def _to_client(self, packet):
        return packet.destination == CLIENT and packet.protocol == socket.IPPROTO_TCP \
            and (packet.source, packet.tcp.sport, packet.tcp.dport) == (self.vip, self.vport, self.sport)

    def open(self, options=packets.LINUX_SYN, answer=packets.mss(1460)):
        """Go through the handshake; returns the three packets as they arrive."""
        return self.client("S", options=options), self.server("SA", options=answer), self.client("A")

    def abort(self):
        """End with a reset from the client, so that the connection expires soon."""
        self.client("RA")


class Datagrams:
    """A client's socket of UDP and what it talks to; every call sends one datagram and returns it as it arrives."""

    def __init__(self, wire, sport, vport=81, rport=81):
        self.wire, self.sport, self.vport, self.rport = wire, sport, vport, rport
        self.local = None  # Local address and port, once the server has seen them.

    def send_client(self, data=b"", **header):
        """Send a datagram from the client without looking for it."""
        datagram = packets.Udp(self.sport, self.vport, data).build(CLIENT, VIP)
        self.wire.from_client(socket.IPPROTO_UDP, datagram, **header)

    def client(self, data=b"", **header):
        """Send a datagram from the client; returns the packet the real server gets."""
        self.send_client(data, **header)
        packet = self.wire.far.receive(
            lambda p: p.destination == SERVER and p.protocol == socket.IPPROTO_UDP and p.udp.data == data,
            f"datagram {data!r} at the real server",
        )
        self.local = (packet.source, packet.udp.sport)
        return packet

    def send_server(self, data=b"", **header):
        """Send a datagram from the real server without looking for it."""
        address, port = self.local
        self.wire.from_server(
            socket.IPPROTO_UDP, packets.Udp(self.rport, port, data).build(SERVER, address), address, **header
        )

    def server(self, data=b"", **header):
        """Send a datagram from the real server; returns the packet the client gets."""
        self.send_server(data, **header)
        return self.wire.near.receive(
            lambda p: p.destination == CLIENT and p.protocol == socket.IPPROTO_UDP and p.udp.dport == self.sport
            and p.udp.data == data, f"datagram {data!r} at the client",
        )

    def warm(self):
        """Let IPVS hear of both directions behind what made the connection: what follows may take the fast path."""
        self.client(b"new")
        self.client(b"warm")
        self.server(b"warm")
