# SPDX-License-Identifier: GPL-2.0
"""Plays scripts on a director between two packet sockets (`lib.ends`), in a family."""

import contextlib
import itertools
import struct

from lib import ip
from lib import netlink
from lib.ends import CLIENT
from lib.ends import KERNEL
from lib.ends import LOCAL
from lib.ends import SERVER
from lib.ends import VIP
from lib.namespace import Failed
from lib.waiting import wait_until

from .connection import Connection
from .kernel import KernelServer

# The families of client and real server.
SIDES = {"ipv4": (4, 4), "ipv6": (6, 6), "nat64": (6, 4), "nat46": (4, 6)}
STATES = ("NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK")
_SHARED_PORT = {"ipv4": 81, "ipv6": 81, "nat64": 82, "nat46": 82}
_CONN_GET, _CONN = 4, 3
_TIMEOUTS = ("900", "120", "300")
_PORT_MIN, _PORT_MAX = "net.ipv4.vs.fullnat_lport_min", "net.ipv4.vs.fullnat_lport_max"
_MASK = 0xFFFFFFFF


def url(address, port):
    """An address with its port."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Stage:
    """The director and its ends, and what scripts must not share: ports."""

    def __init__(self, ends):
        self.ends = ends
        self.client_ports = itertools.count(20000)
        self.service_ports = itertools.count(1000)
        self.local_ports = itertools.count(2000, 64)
        for family, port in _SHARED_PORT.items():
            self.serve(family, port)

    def serve(self, family, port, words=(), real=False):
        """Make a FullNAT service with one real server."""
        near, far = SIDES[family]
        service = f"-t {url(VIP[near], port)}"
        server = (KERNEL if real else SERVER)[far]
        rules = [f"-A {service} -s rr {' '.join(words)}", f"-P {service} -z {LOCAL[far]}",
                 f"-a {service} -r {url(server, port)} -b"]
        self.ends.director.run("rsipvsadm", "-R", input="\n".join(rules) + "\n")

    def play(self, script, family):
        """Play a script; fails with the line that was not as it says."""
        with contextlib.ExitStack() as undo:
            player = Player(self, script, family, undo)
            for event in script.events:
                try:
                    player.play(event)
                except AssertionError as reason:
                    raise Failed(f"line {event.line}: {event.text}\n{reason}") from None


class Player:
    """A script being played."""

    def __init__(self, stage, script, family, undo):
        self.stage, self.ends = stage, stage.ends
        self.family, (self.near, self.far) = family, SIDES[family]
        self.real = "real" in script.head
        self.vport = _SHARED_PORT[family]
        self.range = (1025, 65535)
        self.connections, self.connection = {}, None
        self._prepare(script.head, undo)
        self.counted = self.ends.counters()
        self.kernel = KernelServer(self.ends.server, KERNEL[self.far], self.vport)
        undo.callback(self.kernel.close)
        self._forget()

    def _prepare(self, head, undo):
        director = self.ends.director
        settings = {f"net.ipv4.vs.{name}": value for name, value in head.get("sysctl", {}).items()}
        if "ports" in head:
            first = next(self.stage.local_ports)
            self.range = (first, first + int(head["ports"][0]) - 1)
            settings |= {_PORT_MIN: self.range[0], _PORT_MAX: self.range[1]}
        for name, value in settings.items():
            undo.callback(director.sysctl, name, director.sysctl(name, value))
        if "timeout" in head:
            director.run("rsipvsadm", "--set", *head["timeout"])
            undo.callback(director.run, "rsipvsadm", "--set", *_TIMEOUTS)
        if {"service", "ports", "real"} & set(head):
            self.vport = next(self.stage.service_ports)
            self.stage.serve(self.family, self.vport, head.get("service", ()), self.real)

    def _forget(self):
        self.ends.settle()
        self.ends.near.read()
        self.ends.far.read()

    def play(self, event):
        """Carry out one event."""
        if self.connection is None and event.verb != "connection":
            self.on_connection("first")
        match event.verb:
            case "send":
                self.send(event.end, event.segment)
            case "expect":
                self.expect(event.end, event.segment)
            case "silence":
                self.silence(event.end)
            case "kernel":
                self.kernel.do(self.connection, *event.words)
            case verb:
                getattr(self, f"on_{verb}")(*event.words)

    def on_connection(self, name, *words):
        """Go on with a connection."""
        if name not in self.connections:
            said = dict(zip(words[::2], words[1::2], strict=True))
            like = self.connections[said["port"]] if "port" in said else None
            number = like.cport if like else next(self.stage.client_ports)
            isn = (like.isn if like else 0x10000000 + (number << 8)) + int(said.get("isn", 0))
            self.connections[name] = Connection(
                CLIENT[self.near], number, VIP[self.near], self.vport, LOCAL[self.far],
                (KERNEL if self.real else SERVER)[self.far], self.vport, isn & _MASK,
                None if self.real else 0x70000000 + (len(self.connections) << 20),
            )
        self.connection = self.connections[name]

    def send(self, end, said):
        """Let an end send a segment."""
        assert not (self.real and end == "server"), "the kernel's server sends what it wants"
        assert self.connection.lport or end == "client", "the real server has seen nothing of the connection"
        if self.real:
            self.ends.far.read()
        tap = self.ends.near if end == "client" else self.ends.far
        tap.send(self.connection.packet(end, said))

    def expect(self, end, said):
        """Take the next segment that an end gets; where a kernel speaks, the next that is as it should be."""
        differences = []

        def wanted(packet):
            if not self._concerns(end, packet):
                return False
            self._learn(end, said, packet)
            differences[:] = self.connection.differences(_other(end), said, packet, not self.real)
            return not (self.real and differences)

        tap = self.ends.near if end == "client" else self.ends.far
        tap.next(wanted, "such segment")
        assert not differences, "; ".join(differences)

    def _concerns(self, end, packet):
        """Whether a packet is TCP between this script's service and its client or server."""
        if packet.protocol != ip.TCP:
            return False
        sport, dport = struct.unpack_from("!HH", packet.payload)
        connection = self.connection
        if end == "client":
            return (packet.destination, packet.source, sport) == (connection.client, connection.vip, self.vport)
        return (packet.destination, dport) == (connection.server, self.vport)

    def _learn(self, end, said, packet):
        """Keep what only the packet can tell: the local port, the shift, the kernel's first number."""
        connection, tcp = self.connection, packet.payload
        if end == "server" and connection.lport is None:
            connection.lport = int.from_bytes(tcp[0:2])
            assert self.range[0] <= connection.lport <= self.range[1], f"local port {connection.lport} out of the range"
        if said.shifted:
            shift = int.from_bytes(tcp[4:8]) - connection.isn - said.seq.value & _MASK
            assert shift, "the client's numbers are not shifted"
            # Beyond all that the server has seen on this port.
            for other in self.connections.values():
                if other is not connection and other.lport == connection.lport:
                    ahead = int.from_bytes(tcp[4:8]) - other.isn - other.shift & _MASK
                    assert 0 < ahead < 1 << 31, f"shifted to {ahead - (1 << 32)} from what the server knows"
            connection.shift = shift
        if end == "client" and connection.server_isn is None and tcp[13] & 2:
            connection.server_isn = int.from_bytes(tcp[4:8])

    def silence(self, end):
        """Nothing must have come to an end."""
        self.ends.settle()
        tap = self.ends.near if end == "client" else self.ends.far
        got = [packet for packet in tap.read() if self._concerns(end, packet)]
        assert not got, f"came: {got}"

    def on_local(self, relation, name):
        """Compare local ports."""
        other = self.connections[name]
        assert None not in (self.connection.lport, other.lport), "the real server has not seen both"
        assert (self.connection.lport == other.lport) == (relation == "same"), \
            f"local ports {other.lport} and {self.connection.lport}"

    def on_count(self, name, times):
        """Compare a counter with what it was."""
        self.ends.settle()
        now = self.ends.counters()
        moved = now[name] - self.counted[name]
        self.counted[name] = now[name]
        assert moved == int(times), f"it has moved by {moved}"

    def on_state(self, name):
        """Compare the state of the connection."""
        self.ends.settle()
        if name == "gone":
            wait_until(lambda: self._state() is None, "the end of the connection", 20)
        else:
            state = self._state()
            assert state == name, f"it is {state}"

    def on_freed(self, name):
        """Wait for a local port to come back."""
        one = self.connections[name]
        ends = (one.local, one.lport, one.server, one.rport)
        wait_until(lambda: not self._known(7, ends), f"local port {one.lport} to come back")

    def _state(self):
        """The state of the connection in the director, or None."""
        connection = self.connection
        known = self._known(3, (connection.client, connection.cport, connection.vip, connection.vport))
        return STATES[struct.unpack("=H", known[11])[0]] if known else None

    def _known(self, first, ends):
        """What the director knows of the connection with these ends; `first` is the number of their first attribute."""
        values = (ip.packed(end) if isinstance(end, str) else struct.pack("!H", end) for end in ends)
        asked = netlink.nest(
            _CONN, netlink.attribute(2, struct.pack("=H", ip.TCP)),
            *(netlink.attribute(first + number, value) for number, value in enumerate(values)),
        )
        messages = self.ends.counting.ask(_CONN_GET, asked, dump=True).messages
        return netlink.parse(messages[0][_CONN]) if messages else None


def _other(end):
    return "server" if end == "client" else "client"
