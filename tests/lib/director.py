# SPDX-License-Identifier: GPL-2.0
"""The director as its administrator sees it: rsipvsadm's listings, and what the netlink family counts."""

import re
import socket
import struct

from . import netlink
from .topology import LOCAL
from .topology import SERVERS
from .topology import VIP

LADDR_GET, CONN_GET, COUNTER_GET = 3, 4, 5
PROTOCOLS = {"-t": socket.IPPROTO_TCP, "-u": socket.IPPROTO_UDP}

_SERVER = re.compile(r"  -> (\S+) +(\S+) +(\d+) +(\d+) +(\d+)")
_CONNECTION = re.compile(r"\[\d+\](\w+) +(\d+)s +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)$")
_STATS = ("conns", "in_packets", "out_packets", "in_bytes", "out_bytes")


class Director:
    """Administers one namespace."""

    def __init__(self, namespace):
        self.namespace = namespace

    def adm(self, *words, code=0, **options):
        """Run rsipvsadm; returns what it printed, or all about it if another exit code was expected."""
        done = self.namespace.run("rsipvsadm", *words, code=code, **options)
        return done.stdout if code == 0 else done

    def clear(self):
        """Take away every service."""
        self.adm("-C")

    def fullnat(self, kind, port, servers=SERVERS, local=(LOCAL,), scheduler="rr"):
        """Add a FullNAT service on the VIP."""
        self.restore(self.rules(kind, port, servers, local, scheduler))

    @staticmethod
    def rules(kind, port, servers=SERVERS, local=(LOCAL,), scheduler="rr"):
        """The lines that make a FullNAT service."""
        service = f"{kind} {VIP}:{port}"
        return [
            f"-A {service} -s {scheduler}",
            *(f"-P {service} -z {address}" for address in local),
            *(f"-a {service} -r {server} -b" for server in servers),
        ]

    def restore(self, lines):
        """Carry out saved rules."""
        self.adm("-R", input="\n".join(lines) + "\n")

    def servers(self, service, kind="-t"):
        """The real servers of a service with their counts, as -L -n shows them."""
        rows = _SERVER.findall(self.adm("-L", "-n", kind, service))
        return {
            server: {"forward": forward, "weight": int(weight), "active": int(active), "inactive": int(inactive)}
            for server, forward, weight, active, inactive in rows
        }

    def connections(self):
        """Every connection as -L -n -c shows it."""
        names = ("protocol", "expires", "state", "client", "virtual", "local", "server")
        rows = [_CONNECTION.match(line.rstrip()) for line in self.adm("-L", "-n", "-c").splitlines()]
        return [dict(zip(names, row.groups(), strict=True), expires=int(row[2])) for row in rows if row]

    def stats(self, service, kind):
        """The counters of a service and of its servers, as -L -n --stats shows them."""
        listing = self.adm("-L", "-n", "--stats", "--exact", kind, service).splitlines()
        found = {"servers": {}}
        for line in listing:
            words = line.split()
            if words[0] in ("TCP", "UDP"):
                found["service"] = dict(zip(_STATS, map(int, words[2:]), strict=True))
            elif words[0] == "->" and words[-1].isdigit():
                found["servers"][words[1]] = dict(zip(_STATS, map(int, words[2:]), strict=True))
        return found

    def local_addresses(self, service, kind="-t"):
        """The local addresses of a service with their counts."""
        address, _, port = service.rpartition(":")
        wanted = {
            2: struct.pack("=H", PROTOCOLS[kind]), 3: socket.inet_aton(address), 4: struct.pack("!H", int(port)),
        }
        found = {}
        for message in self._dump(LADDR_GET):
            served, local = netlink.parse(message[1]), netlink.parse(message[2])
            if all(served.get(number) == value for number, value in wanted.items()):
                found[socket.inet_ntoa(local[1])] = {
                    "conns": struct.unpack("=I", local[2])[0],
                    "conflicts": struct.unpack("=Q", local[3])[0],
                    "failed": struct.unpack("=Q", local[4])[0],
                }
        return found

    def counters(self):
        """Every counter of the namespace, by name."""
        counters = (netlink.parse(message[4]) for message in self._dump(COUNTER_GET))
        return {counter[1].rstrip(b"\0").decode(): struct.unpack("=Q", counter[2])[0] for counter in counters}

    def _dump(self, command):
        family = netlink.Family(self.namespace, "IPVS_FLOW")
        try:
            answer = family.ask(command, dump=True)
        finally:
            family.close()
        assert not answer.error, answer
        return answer.messages
