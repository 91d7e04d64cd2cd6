# SPDX-License-Identifier: GPL-2.0
"""The test as the TCP client of a real program: the server's kernel answers, segment by segment."""

import socket

from . import packets
from .wire import CLIENT


class RawClient:
    """One connection from a port of the test's own client to a service on the VIP."""

    def __init__(self, wire, sport, seq, vport=80, clock=None):
        self.wire, self.sport, self.seq, self.vport = wire, sport, seq & 0xFFFFFFFF, vport
        self.clock = clock    # TSval, if time stamps are wanted.
        self.echo = 0         # TSecr: what the server has said last.
        self.ack = 0

    def _options(self, flags):
        options = packets.mss(1460) if "S" in flags else b""
        if self.clock is not None:
            options += packets.NOP * 2 + packets.timestamp(self.clock & 0xFFFFFFFF, self.echo)
        return options

    def send(self, flags, data=b"", **fields):
        """Send a segment; what has the number that is next moves it."""
        bits = sum(packets.FLAGS[flag] for flag in flags)
        fields = {"seq": self.seq, "ack": self.ack if bits & packets.ACK else 0, **fields}
        segment = packets.Tcp(self.sport, self.vport, bits, data=data, options=self._options(flags), **fields)
        self.wire.from_client(socket.IPPROTO_TCP, segment.build(CLIENT, "10.0.96.204"))
        if fields["seq"] == self.seq:
            self.seq = (self.seq + len(data) + ("S" in flags) + ("F" in flags)) & 0xFFFFFFFF

    def receive(self, what, timeout=2):
        """The next segment for this port."""
        packet = self.wire.near.receive(
            lambda p: p.destination == CLIENT and p.protocol == socket.IPPROTO_TCP and p.tcp.dport == self.sport,
            what, timeout=timeout,
        )
        # The program's kernel may leave the checksum to a card that there is none of: it is not looked at.
        segment = packet.tcp
        if stamp := segment.option(8):
            self.echo = int.from_bytes(stamp[:4])
        return segment

    def open(self):
        """Begin a connection, which the server must take at once; returns its SYN-ACK."""
        self.send("S")
        answer = self.receive("answer to the SYN")
        assert answer.flags == packets.SYN | packets.ACK, f"the real server answered a new SYN with {answer}"
        assert answer.ack == self.seq
        if self.clock is not None:
            stamp = answer.option(8)
            assert stamp and int.from_bytes(stamp[4:]) == self.clock & 0xFFFFFFFF, "the client's own clock comes back"
        self.ack = (answer.seq + 1) & 0xFFFFFFFF
        return answer

    def open_at_last(self):
        """Begin a connection, with as many SYNs as it takes; returns the first answer."""
        first = self.seq
        self.send("S")
        for _ in range(20):
            try:
                answer = self.receive("answer to the SYN", timeout=0.3)
            except AssertionError:
                self.send("S", seq=first)
                continue
            if answer.ack == self.seq:
                self.ack = (answer.seq + 1) & 0xFFFFFFFF
                return answer
            # The last word about the connection before.
        raise AssertionError("no SYN was answered")

    def let_server_close(self, data=b"close now\n"):
        """Say something that the server answers and closes, and close, too; returns what it said."""
        self.send("PA", data)
        said = b""
        while True:
            segment = self.receive("the server's last words")
            if segment.seq != self.ack:
                continue
            said += segment.data
            self.ack = (segment.seq + len(segment.data) + (segment.flags & packets.FIN)) & 0xFFFFFFFF
            if segment.flags & packets.FIN:
                break
        self.send("FA")
        while self.receive("the server's last acknowledgement").ack != self.seq:
            pass
        return said

    def local_port(self, said):
        """The local port, from what the server has said of its peer."""
        return int(said.split()[1].rpartition(b":")[2])
