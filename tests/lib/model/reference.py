# SPDX-License-Identifier: GPL-2.0
"""What a director with FullNAT services does to a packet, told as simply as possible.

The reference decides what must happen, or what may: which server the scheduler takes, which local address and which
port is for the director to choose. It learns the choice from the packet that comes out and checks it: a server that
serves, an address of the service, a port in the range that nobody else has towards this server.
"""

import collections
import dataclasses
import time

from lib import ip

from . import tcp

# A port that came back may be remembered that long, for sure, and then for a while perhaps.
_RESTS = 60
_MASK = 0xFFFFFFFF


@dataclasses.dataclass
class Service:
    """A virtual service: servers by (address, port) with their weights, local addresses with when they were added."""

    servers: dict = dataclasses.field(default_factory=dict)
    locals: dict = dataclasses.field(default_factory=dict)
    toa: str = "ack"


@dataclasses.dataclass
class Connection:
    """A bound connection: client (caddr, cport, vaddr, vport) and server (laddr, lport, raddr, rport)."""

    protocol: int
    client: tuple
    server: tuple
    toa: str
    local: tuple          # The local address, and when the service got it: the director counts by that.
    ranges: int           # How often the range of ports had changed.
    state: int = 0
    story: tcp.Story = dataclasses.field(default_factory=tcp.Story)

    @property
    def service(self):
        """The key of the service it belongs to."""
        return (self.protocol, *self.client[2:])


@dataclasses.dataclass
class Verdict:
    """What must happen to a packet: `connection` if it is bound; the drop's counter, or who else takes it."""

    connection: Connection | None = None
    new: bool = False          # A connection is to be made, by one of `servers`, if `refusals` allow it.
    servers: tuple = ()
    refusals: frozenset = frozenset()
    fate: str = "forward"      # Or the name of a counter, "unavailable", "no server" or "local".
    ends: bool = False         # An old connection of the client ends.


class Reference:
    """The director."""

    def __init__(self):
        self.services = {}
        self.connections = {}      # By (protocol, *client).
        self.flows = {}            # By (protocol, *server).
        self.remembered = {}       # The same key: (what the server may remember, when it came back, for sure).
        self.settings = {"fullnat_toa_entry": 1, "fullnat_mss_adjust_entry": 1, "defence_tcp_drop": 1,
                         "defence_udp_drop": 1, "conn_reuse_mode": 1}
        self.range = (1025, 65535)
        self.counted = collections.Counter()
        self.fates = collections.Counter()
        self.unsure = collections.Counter()
        self.stamp = self.ranges = 0

    # The configuration.

    def add_local(self, key, address):
        """A service gets a local address."""
        self.stamp += 1
        self.services[key].locals[address] = self.stamp

    def set_range(self, first, last):
        """Other local ports. What was known of ports may be forgotten, as far as they are out of the range."""
        self.range = (first, last)
        self.ranges += 1
        self.remembered = {key: (known, when, False) for key, (known, when, _) in self.remembered.items()}

    def in_range(self, port):
        """Whether new connections may have a local port."""
        return self.range[0] <= port <= self.range[1]

    # Packets.

    def request(self, protocol, client, flags):
        """What must become of a client's packet."""
        connection = self.connections.get((protocol, *client))
        if connection and not any(ip.family(key[1]) == ip.family(client[2]) for key in self.services):
            # IPVS takes its hooks away with the last service of a family.
            return Verdict(fate="fullnat_no_service")
        if connection and not self._is_over(connection, flags):
            if connection.server[2:] not in self.servers_of(connection):
                return Verdict(fate="unavailable")
            return Verdict(connection)
        verdict = self._first(protocol, client, flags)
        verdict.ends = connection is not None
        return verdict

    def _first(self, protocol, client, flags):
        """What must become of a packet that no connection is known for."""
        starts = protocol == ip.UDP or bool(flags & tcp.SYN and not flags & tcp.RST)
        service = self.services.get((protocol, *client[2:]))
        if not service or not starts:
            return Verdict(fate=self._stray(protocol, client, flags))
        servers = tuple(server for server, weight in service.servers.items() if weight)
        if not servers:
            return Verdict(fate="no server")
        refusals = {server: self._refusal(protocol, service, server) for server in servers}
        able = tuple(server for server in servers if not refusals[server])
        return Verdict(new=True, servers=able, refusals=frozenset(filter(None, refusals.values())))

    def servers_of(self, connection):
        """The servers of a connection's service."""
        service = self.services.get(connection.service)
        return service.servers if service else {}

    def _is_over(self, connection, flags):
        """Whether IPVS makes a new connection of a SYN on an old one."""
        return connection.protocol == ip.TCP and flags & tcp.SYN and self.settings["conn_reuse_mode"] \
            and connection.state in (tcp.TIME_WAIT, tcp.CLOSE)

    def _refusal(self, protocol, service, server):
        """The counter of why a server cannot have one more connection, if it cannot."""
        addresses = [address for address in service.locals if ip.family(address) == ip.family(server[0])]
        if not addresses:
            return "fullnat_no_laddr"
        for address in addresses:
            used = sum(
                (protocol, address, port, *server) in self.flows for port in range(self.range[0], self.range[1] + 1)
            ) if self.range[1] - self.range[0] < 64 else 0
            if used <= self.range[1] - self.range[0]:
                return None
        return "fullnat_no_port"

    def _stray(self, protocol, client, flags):
        """A packet that belongs to no connection and starts none."""
        vaddr = client[2]
        service = self.services.get((protocol, *client[2:]))
        if service and service.locals:
            return "fullnat_no_conn"
        vips = {key[0] for key, other in self.services.items() if key[1] == vaddr and other.locals}
        if protocol == ip.TCP:
            starts = flags & tcp.SYN and not flags & (tcp.ACK | tcp.RST)
            if self.settings["defence_tcp_drop"] and not starts and vips:
                return "defence_tcp_drop"
        elif self.settings["defence_udp_drop"] and ip.TCP in vips and ip.UDP not in vips:
            return "defence_udp_drop"
        return "local"

    def bind(self, protocol, client, server):
        """A connection is made as the server's side has seen it; says what was wrong with that."""
        service = self.services[(protocol, *client[2:])]
        laddr, lport, *real = server
        assert laddr in service.locals, f"{laddr} is no local address of the service"
        assert service.servers.get(tuple(real)), f"{real} serves nobody"
        assert self.in_range(lport), f"local port {lport} is out of the range {self.range}"
        key = (protocol, *server)
        assert key not in self.flows, f"{key} is in use by {self.flows[key].client}"
        connection = Connection(protocol, client, server, service.toa, (laddr, service.locals[laddr]), self.ranges)
        self.connections[(protocol, *client)] = self.flows[key] = connection
        self.counted["fullnat_conn_new"] += 1
        return connection

    def end(self, connection):
        """IPVS has ended a connection, and its port is free."""
        if self.connections.get((connection.protocol, *connection.client)) is connection:
            del self.connections[(connection.protocol, *connection.client)]
        key = (connection.protocol, *connection.server)
        del self.flows[key]
        last = connection.story.last if connection.protocol == ip.TCP else None
        self.remembered[key] = (last, time.monotonic(), connection.ranges == self.ranges)

    def begin(self, connection, isn, seen):
        """A SYN begins a bound connection's story; checks by how much its number was shifted on the way."""
        last, when, sure = self.remembered.pop((connection.protocol, *connection.server), (None, 0, True))
        if not sure or time.monotonic() - when > _RESTS:
            # The port may be taken for one that the server does not remember.
            self.unsure["fullnat_conn_reused"] += last is not None and seen == isn
            last = None if seen == isn else last
        else:
            self._check_shift(isn, seen, last)
        self.counted["fullnat_conn_reused"] += last is not None
        if seen != isn:
            self._check_shift(isn, seen, last)
        connection.story.begin(isn, seen - isn & _MASK)

    def begin_anew(self, connection, isn, seen):
        """A SYN begins another connection on the same flow."""
        story = connection.story
        self._check_shift(isn, seen, story.expects)
        self.counted["fullnat_conn_rebased"] += 1
        story.begin(isn, seen - isn & _MASK)

    @staticmethod
    def _check_shift(isn, seen, last):
        if last is None or tcp.after(isn, last):
            assert seen == isn, f"number {isn} is shifted to {seen} without need: the server knows {last}"
        else:
            assert tcp.after(seen, last), f"number {isn} became {seen}, which is not beyond {last}"

    def introduces(self, connection, in_syn=False):
        """Whether segments of a connection are to carry the client's address, before or behind the answer."""
        wanted = ("syn",) if in_syn else ("ack", "syn")
        return bool(self.settings["fullnat_toa_entry"]) and connection.toa in wanted

    def lowers_mss(self, connection):
        """Whether the server's answer leaves room for the address."""
        is_on = self.settings["fullnat_toa_entry"] and self.settings["fullnat_mss_adjust_entry"]
        return bool(is_on) and connection.toa != "off"

    def users(self, key, address):
        """How many connections use a local address of a service, as it is listed now."""
        local = (address, self.services[key].locals[address])
        return sum(one.local == local and one.service == key for one in self.flows.values())
