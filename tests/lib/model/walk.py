# SPDX-License-Identifier: GPL-2.0
"""A walk: packets and changes of the configuration by chance, each compared with what the reference says.

Every step draws its dice from the seed and its own number, so that a walk can be repeated although the director, too,
chooses: local addresses by a secret hash, ports from a random beginning.
"""

import collections
import random
import struct
import time

from lib import ip
from lib.ends import CLIENT
from lib.ends import LOCAL
from lib.ends import SERVER
from lib.ends import VIP
from lib.ends import numbered
from lib.namespace import Failed
from lib.waiting import wait_until

from . import tcp
from .control import Control
from .messages import Message
from .reference import Reference
from .reference import Service

FAMILIES = (4, 6)
VIPS = [numbered(VIP, family, number) for family in FAMILIES for number in (81, 82)]
LOCALS = [numbered(LOCAL, family, number) for family in FAMILIES for number in (201, 202)]
SERVERS = [(numbered(SERVER, family, number), 80) for family in FAMILIES for number in (21, 22)]
CLIENTS = [
    (numbered(CLIENT, family, number), port) for family in FAMILIES for number in (31, 32) for port in (5000, 5001)
]
KEYS = [(protocol, vip, port) for protocol in (ip.TCP, ip.UDP) for vip in VIPS for port in (80, 443)]
RANGES = ((1025, 65535), (30000, 30000), (30000, 30001), (30000, 30003))
SETTINGS = ("fullnat_toa_entry", "fullnat_mss_adjust_entry", "defence_tcp_drop", "defence_udp_drop", "conn_reuse_mode")
# Seconds until IPVS ends a silent connection: of UDP, and of TCP by its state.
UDP_TIMEOUT, TIMEOUTS = 300, (2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120)
# What TCP's ends send by chance: the client without and with a connection, the server before and after its answer.
_FIRST = (tcp.SYN, tcp.ACK, tcp.FIN | tcp.ACK, tcp.RST), (85, 5, 5, 5)
_LATER = (tcp.SYN, tcp.ACK, tcp.PSH | tcp.ACK, tcp.FIN | tcp.ACK, tcp.RST, tcp.RST | tcp.ACK), (20, 25, 20, 15, 10, 10)
_EARLY = (tcp.SYN | tcp.ACK, tcp.RST | tcp.ACK), (85, 15)
_LATE = (tcp.ACK, tcp.PSH | tcp.ACK, tcp.FIN | tcp.ACK, tcp.RST, tcp.SYN | tcp.ACK), (30, 20, 30, 10, 10)
# What the administrator changes of a service that is there, and how often.
_CHANGES = {
    "delete": 4, "add local": 14, "delete local": 6, "add server": 14, "weight": 12, "delete server": 5, "toa": 6,
    "range": 6, "setting": 10, "flush": 1,
}
CHECK_EVERY, REMEMBERED_STEPS = 25, 15


class Walk:
    """One walk."""

    def __init__(self, ends, seed):
        self.ends, self.seed = ends, seed
        self.reference = Reference()
        ends.director.ip(*(
            f"addr add {address}/{'128' if ':' in address else '32'} dev lo" for address in VIPS + LOCALS
        ))
        aliases = {server: f"240.0.0.{number}" for number, (server, _) in enumerate(SERVERS, 1) if ":" in server}
        self.control = Control(ends.director, aliases)
        self.seen_at = {}          # When a connection's timer was started last, by its flow.
        self.sent = 0
        self.answers_allowed = 0   # Packets the director's own stack may still answer.
        self.steps = collections.deque(maxlen=REMEMBERED_STEPS)
        self.before = {name: value for name, (value, _) in self.control.counters().items()}
        for name, value in self.reference.settings.items():
            self.control.set(name, value)
        # While IPVS replaces its table of connections, packets that meet one that is about to end are dropped: a
        # question of time, which the reference does not tell. Here the table stays.
        self.control.set("conn_lfactor", 8)

    def close(self):
        """Stop."""
        self.control.close()

    def go(self, steps):
        """Take so many steps; a step that goes wrong is told with those before it."""
        step = 0
        try:
            self._set_range(random.Random(f"{self.seed}:range").choice(RANGES))
            for key in KEYS[::2]:
                self._add_service(random.Random(f"{self.seed}:{key}"), key)
            for step in range(1, steps + 1):
                self._step(random.Random(f"{self.seed}:{step}"), step)
            self.check()
        except AssertionError as reason:
            told = "\n".join((*self.steps, *self._beyond()))
            raise Failed(f"seed {self.seed}, step {step}: {reason}\nThe last steps:\n{told}") from reason

    def _beyond(self):
        """What the director has counted and knows beyond the reference, and the other way round."""
        for name, (value, _) in self.control.counters().items():
            moved, wanted = value - self.before[name], self.reference.counted[name]
            if not wanted <= moved <= wanted + self.reference.unsure[name]:
                yield f"{name}: {moved}, not {wanted}"
        known = {(protocol, *server) for protocol, _, server in self.control.connections()}
        yield f"flows of one of both only: {known ^ set(self.reference.flows)}"

    def _step(self, dice, number):
        if number % CHECK_EVERY == 0:
            self.check()
        kind = dice.choices((self._request, self._reply, self._configure), (58, 30, 12))[0]
        self.steps.append(f"{number}:")
        kind(dice)

    def _tell(self, what):
        self.steps[-1] += f" {what}"

    # Packets of clients.

    def _request(self, dice):
        # A second chance for what may find a service, and for TCP, of which there is more to say.
        key, second, again = dice.choice(KEYS), dice.choice(KEYS), dice.random()
        if key not in self.reference.services and again < 0.8 or key[0] == ip.UDP and again < 0.4:
            key = second
        client = dice.choice([one for one in CLIENTS if ip.family(one[0]) == ip.family(key[1])]) + key[1:]
        message = self._of_client(dice, key[0], client)
        verdict = self.reference.request(key[0], client, message.flags)
        self._tell(f"{message} -> {verdict.fate} {verdict.connection.server if verdict.connection else ''}")
        old = self.reference.connections.get((key[0], *client))
        if verdict.ends:
            self._tell(f"instead of {old.server} in state {old.state}")
        self.ends.near.send(message.packet())
        self.sent += 1
        if verdict.new:
            self._made(verdict, message, client)
        elif verdict.connection:
            self._passed(verdict.connection, message, self._arrived(self.ends.far, message))
        else:
            self._dropped(verdict, message)
        if verdict.ends and self.reference.flows.get((old.protocol, *old.server)) is old:
            self._end(old)

    def _end(self, connection):
        """IPVS has set a connection's timer to the next tick, to make place for a new one."""
        flow = (connection.protocol, *connection.server)
        wait_until(lambda: not self.control.connections(flow), f"the end of {flow}")
        self.reference.end(connection)

    def _of_client(self, dice, protocol, client):
        """A packet that a client may send, knowing what it knows of its connection."""
        message = Message(protocol, *client, data=self._data(dice))
        forged, number, isn = dice.random() < 0.1, dice.randrange(4000), dice.getrandbits(32)
        offset = dice.choice((0, 0, 0, 1, 40, 100000, -1))
        first, later = dice.choices(*_FIRST)[0], dice.choices(*_LATER)[0]
        comes_back = dice.random() < 0.6
        if protocol == ip.UDP:
            return message
        connection = self.reference.connections.get((protocol, *client))
        story = connection.story if connection else tcp.Story(isn)
        message.flags = later if connection else first
        if connection and connection.state in (tcp.TIME_WAIT, tcp.CLOSE) and comes_back:
            message.flags = tcp.SYN
        message.forged = forged
        if message.flags == tcp.SYN:
            message.seq, message.mss = (isn if isn % 2 else story.isn), 1460
        else:
            message.seq = story.isn + 1 + number & 0xFFFFFFFF
            message.ack = (isn if story.first_byte is None else story.first_byte + offset) & 0xFFFFFFFF
        if not message.flags & tcp.ACK:
            message.ack = 0
        return message

    def _data(self, dice):
        return struct.pack("!Q", self.sent) + bytes(dice.randrange(40))

    def _made(self, verdict, message, client):
        """A connection is made, if it can be."""
        key = (message.protocol, *client[2:])
        seen = self._arrived(self.ends.far, message, must=not verdict.refusals)
        if seen is None:
            reason = self._counted(verdict.refusals)
            assert reason, f"none of {set(verdict.refusals)} has counted the packet"
            self.reference.counted[reason] += 1
            self.reference.fates["dropped"] += 1
            self._tell(reason)
            wait_until(lambda: not self.control.knows(key[0], client), "IPVS to forget a connection without a port")
        server = None
        if seen is not None:
            server = (seen.saddr, seen.sport, seen.daddr, seen.dport)
            assert server[2:] in verdict.servers, f"sent to {server[2:]}, which is not one of {verdict.servers}"
        if server:
            connection = self.reference.bind(message.protocol, client, server)
            if message.protocol == ip.TCP:
                self.reference.begin(connection, message.seq, seen.seq)
            self._passed(connection, message, seen)

    def _counted(self, names):
        """Which of these counters has counted one packet more than the reference."""
        counters = self.control.counters()
        for name in names:
            if counters[name][0] - self.before[name] == self.reference.counted[name] + 1:
                return name
        return None

    def _passed(self, connection, message, seen):
        """A packet of a connection reached the server: compare it, and move the connection on."""
        self._alive(connection)
        self.reference.fates["forwarded"] += 1
        laddr, lport, raddr, rport = connection.server
        wanted = message.translated(laddr, lport, raddr, rport)
        if connection.protocol == ip.TCP:
            story = connection.story
            if message.flags == tcp.SYN:
                if story.begins_anew(message.seq):
                    self.reference.begin_anew(connection, message.seq, seen.seq)
                told = self.reference.introduces(connection, in_syn=True)
            else:
                told = story.request(message.flags, message.ack)
            wanted.seq = message.seq + story.shift & 0xFFFFFFFF
            wanted.toa = (message.saddr, message.sport) if told else None
            self.reference.counted["fullnat_add_toa_ok"] += told
            self.reference.counted["fullnat_toa_removed"] += message.forged
            connection.state = tcp.next_state(connection.state, message.flags, is_reply=False)
        wanted.forged = False
        wanted.same_as(seen)

    def _dropped(self, verdict, message):
        """Nothing of a packet must reach a server, and nobody must answer it unless the director's own stack may."""
        fate = verdict.fate
        self.ends.settle()
        if verdict.ends and fate == "local" and self._counted(("fullnat_closing",)):
            # IPVS has told the old connection to end, and the packet met it just before.
            fate = "fullnat_closing"
        if fate == "fullnat_no_service":
            self._alive(self.reference.connections[message.protocol, *message.client])
        if fate in ("local", "no server"):
            self.answers_allowed += 1
        elif fate != "unavailable":
            self.reference.counted[fate] += 1
        self.reference.fates["IPVS" if fate in ("unavailable", "no server") else
                             "local" if fate == "local" else "dropped"] += 1
        self._own_answers()
        came = [packet for packet in self.ends.far.read() if Message.parse(packet).data[:8] == message.data[:8]]
        assert not came, f"{message} was to be dropped as {fate}, and came as {came}"

    # Packets of servers.

    def _reply(self, dice):
        flows = sorted(self.reference.flows.values(), key=lambda one: (one.protocol, one.client))
        choice, stray, protocol = dice.random(), dice.random() < 0.1, dice.choice((ip.TCP, ip.UDP))
        local, (server, port) = dice.choice(LOCALS), dice.choice(SERVERS)
        connection = flows[int(choice * len(flows))] if flows and not stray else None
        if connection is None:
            if ip.family(local) != ip.family(server):
                return self._tell("nothing")
            # No range has this port.
            message = Message(protocol, server, port, local, 900, data=self._data(dice), flags=tcp.ACK)
            self._tell(f"stray {message}")
            self.answers_allowed += 1
            self.ends.far.send(message.packet())
            self.sent += 1
            self.reference.fates["local"] += 1
            return None
        message = self._of_server(dice, connection)
        self._tell(f"{message} to {connection.client} in state {connection.state}")
        self.ends.far.send(message.packet())
        self.sent += 1
        seen = self._arrived(self.ends.near, message)
        self._alive(connection)
        self.reference.fates["forwarded"] += 1
        wanted = message.translated(*connection.client[2:], *connection.client[:2])
        if connection.protocol == ip.TCP:
            story = connection.story
            wanted.ack = (message.ack - story.shift & 0xFFFFFFFF) if message.flags & tcp.ACK else 0
            if message.mss and self.reference.lowers_mss(connection):
                wanted.mss -= 8 if ip.family(connection.client[0]) == 4 else 20
            story.reply(message.flags, message.seq, message.ack, self.reference.introduces(connection))
            connection.state = tcp.next_state(connection.state, message.flags, is_reply=True)
        wanted.same_as(seen)
        return None

    def _of_server(self, dice, connection):
        """A packet that a server may send."""
        laddr, lport, raddr, rport = connection.server
        message = Message(connection.protocol, raddr, rport, laddr, lport, data=self._data(dice))
        number, seen = dice.randrange(3000), dice.randrange(3000)
        early, late = dice.choices(*_EARLY)[0], dice.choices(*_LATE)[0]
        if connection.protocol == ip.UDP:
            return message
        story = connection.story
        message.flags = early if story.first_byte is None else late
        if message.flags & tcp.SYN:
            message.seq, message.mss = 0x60000000 + number, 1460
        else:
            message.seq = (story.first_byte or 0) + number & 0xFFFFFFFF
        message.ack = story.isn + story.shift + 1 + seen & 0xFFFFFFFF if message.flags & tcp.ACK else 0
        return message

    def _arrived(self, tap, message, must=True):
        """The message as it came out on the other side, or None if it need not."""
        if not must:
            self.ends.settle()
        for _ in range(2):
            for packet in tap.read():
                seen = Message.parse(packet)
                if seen.data and seen.data[:8] == message.data[:8]:
                    return seen
                self._own_answer(packet)
            if not must:
                return None
            tap.waiting = [tap.next(lambda packet: True, f"{message} on the other side")]
        raise Failed(f"{message} did not come")

    def _own_answers(self):
        for packet in self.ends.near.read():
            self._own_answer(packet)

    def _own_answer(self, packet):
        """Something that nobody sent through: an answer of the director's own stack, which must have had a reason."""
        assert packet.protocol in (ip.ICMP, ip.ICMP6) or packet.protocol == ip.TCP and packet.payload[13] & tcp.RST, \
            f"came out of nowhere: {packet}"
        self.answers_allowed -= 1
        assert self.answers_allowed >= 0, f"the director's own stack answered: {packet}"

    # Timers of IPVS.

    def _alive(self, connection):
        self.seen_at[connection.protocol, *connection.server] = time.monotonic()

    def _expire(self):
        """Let those connections end whose time is nearly over, so that none ends at an unforeseen moment."""
        for flow, connection in list(self.reference.flows.items()):
            timeout = UDP_TIMEOUT if connection.protocol == ip.UDP else TIMEOUTS[connection.state]
            if time.monotonic() - self.seen_at[flow] > timeout - 1:
                wait_until(lambda flow=flow: not self.control.connections(flow), f"the end of {flow}", 15)
                self.reference.end(connection)

    # The configuration.

    def _configure(self, dice):
        # Nothing that was sent before may meet what comes now.
        self.ends.settle()
        reference, key = self.reference, dice.choice(KEYS)
        service = reference.services.get(key)
        if not service:
            self._add_service(dice, key)
            return
        what = dice.choices(list(_CHANGES), _CHANGES.values())[0]
        server, weight, local = dice.choice(SERVERS), dice.choice((0, 1, 1, 3)), dice.choice(LOCALS)
        toa, ports = dice.choice(("off", "ack", "ack", "syn")), dice.choice(RANGES)
        name, value = dice.choice(SETTINGS), dice.randrange(2)
        self._tell(f"{what} {key} {server} {weight} {local} {toa} {ports} {name}={value}")
        match what:
            case "delete":
                self.control.delete_service(key, bool(service.locals))
                del reference.services[key]
            case "add local" if local not in service.locals:
                self.control.add_local(key, local)
                reference.add_local(key, local)
            case "delete local" if local in service.locals:
                self.control.delete_local(key, local)
                del service.locals[local]
            case "add server" if server not in service.servers:
                self.control.add_server(key, server, weight)
                service.servers[server] = weight
            case "weight" if server in service.servers:
                self.control.weigh_server(key, server, weight)
                service.servers[server] = weight
            case "delete server" if server in service.servers:
                self.control.delete_server(key, server)
                del service.servers[server]
            case "toa":
                self.control.introduce(key, toa)
                service.toa = toa
            case "range":
                self._set_range(ports)
            case "setting":
                self.control.set(name, value)
                reference.settings[name] = value
            case "flush":
                self.control.flush()
                reference.services.clear()

    def _set_range(self, ports):
        for name, value in zip(("fullnat_lport_min", "fullnat_lport_max"), ports, strict=True):
            self.control.set(name, value)
        self.reference.set_range(*ports)

    def _add_service(self, dice, key):
        """A service with some of everything."""
        toa = dice.choice(("off", "ack", "ack", "syn"))
        service = self.reference.services[key] = Service(toa=toa)
        self.control.add_service(key, toa)
        for local in dice.sample(LOCALS, dice.choice((0, 2, 3, 4, 4, 4, 4, 4))):
            self.control.add_local(key, local)
            self.reference.add_local(key, local)
        for server in dice.sample(SERVERS, dice.choice((0, 2, 3, 3, 4, 4, 4))):
            service.servers[server] = dice.choice((0, 1, 1, 1, 2))
            self.control.add_server(key, server, service.servers[server])
        if self.steps:
            self._tell(f"new {key}: {service}")

    # The account.

    def check(self):
        """Compare all that the director knows and has counted."""
        self.ends.settle()
        self._own_answers()
        self._expire()
        reference = self.reference
        counters = self.control.counters()
        for name, (value, _) in counters.items():
            moved, wanted = value - self.before[name], reference.counted[name]
            assert wanted <= moved <= wanted + reference.unsure[name], f"{name} has counted {moved}, not {wanted}"
        drops = sum(value - self.before[name] for name, (value, is_drop) in counters.items() if is_drop)
        assert drops == reference.fates["dropped"], f"{drops} packets dropped, not {reference.fates['dropped']}"
        assert self.sent == sum(reference.fates.values()), f"{self.sent} packets sent: {reference.fates}"
        wanted = {
            (one.protocol, one.client, one.server): one.state if one.protocol == ip.TCP else None
            for one in reference.flows.values()
        }
        known = {key: state if key[0] == ip.TCP else None for key, state in self.control.connections().items()}
        assert known == wanted, f"connections: {set(known.items()) ^ set(wanted.items())}"
        users = {
            (key, address): (reference.users(key, address), 0)
            for key, service in reference.services.items() for address in service.locals
        }
        locals_ = self.control.locals()
        assert locals_ == users, f"local addresses: {set(locals_.items()) ^ set(users.items())}"
