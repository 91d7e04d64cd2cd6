# SPDX-License-Identifier: GPL-2.0
"""Configures a director through its two netlink families, without a process for each change."""

import ipaddress
import socket
import struct

from lib import ip
from lib import netlink

_NEW_SERVICE, _DEL_SERVICE, _NEW_DEST, _SET_DEST, _DEL_DEST, _FLUSH = 1, 3, 5, 6, 7, 17
_LADDR_NEW, _LADDR_DEL, _LADDR_GET, _CONN_GET, _COUNTER_GET, _SERVICE_SET, _ALIAS_NEW = 1, 2, 3, 4, 5, 6, 8
_SERVICE, _LADDR, _CONN, _COUNTER, _OPTIONS, _ALIAS = 1, 2, 3, 4, 5, 6
_FULLNAT = 5
_TOA = {"off": 0, "ack": 1, "syn": 2}
_PROTOCOLS = {"TCP": ip.TCP, "UDP": ip.UDP}


def _af(address):
    return struct.pack("=H", socket.AF_INET6 if ":" in address else socket.AF_INET)


class Control:
    """Both families in one namespace. A service's key is (protocol, address, port)."""

    def __init__(self, namespace, aliases):
        self.namespace = namespace
        self.aliases = aliases   # IPv4 names of IPv6 servers.
        self.ipvs = netlink.Family(namespace, "IPVS")
        self.flow = netlink.Family(namespace, "IPVS_FLOW")
        for server, name in aliases.items():
            alias = netlink.nest(_ALIAS, netlink.attribute(1, ip.packed(name)), netlink.attribute(2, ip.packed(server)))
            self._do(self.flow, _ALIAS_NEW, alias)

    @staticmethod
    def _do(family, command, *attributes):
        answer = family.ask(command, *attributes)
        assert not answer.error, f"{family.number} command {command}: {answer}"

    @staticmethod
    def _service(key, *more):
        protocol, address, port = key
        return netlink.nest(
            1, netlink.attribute(1, _af(address)), netlink.attribute(2, struct.pack("=H", protocol)),
            netlink.attribute(3, ip.packed(address).ljust(16, b"\0")), netlink.attribute(4, struct.pack("!H", port)),
            *more,
        )

    @staticmethod
    def _named(key):
        protocol, address, port = key
        return netlink.nest(
            _SERVICE, netlink.attribute(1, _af(address)), netlink.attribute(2, struct.pack("=H", protocol)),
            netlink.attribute(3, ip.packed(address)), netlink.attribute(4, struct.pack("!H", port)),
        )

    def add_service(self, key, toa):
        """A service with the scheduler rr."""
        mask = struct.pack("=I", 128 if ":" in key[1] else 0xFFFFFFFF)
        self._do(self.ipvs, _NEW_SERVICE, self._service(
            key, netlink.attribute(6, b"rr\0"), netlink.attribute(7, struct.pack("=II", 0, 0xFFFFFFFF)),
            netlink.attribute(8, bytes(4)), netlink.attribute(9, mask),
        ))
        self.introduce(key, toa)

    def introduce(self, key, toa):
        """How a service's servers are told the client's address."""
        options = netlink.nest(_OPTIONS, netlink.attribute(1, bytes((_TOA[toa],))))
        self._do(self.flow, _SERVICE_SET, self._named(key), options)

    def delete_service(self, key, has_locals):
        """Take a service away, and what our family knows of it."""
        if has_locals:
            self._do(self.flow, _LADDR_DEL, self._named(key))
        self._do(self.ipvs, _DEL_SERVICE, self._service(key))

    def flush(self):
        """Take all away."""
        self._do(self.flow, _LADDR_DEL)
        self._do(self.ipvs, _FLUSH)

    def _dest(self, key, server, weight):
        address, port = server
        stored = address
        if ":" in key[1] and ":" not in address:
            stored = str(ipaddress.ip_address(ipaddress.ip_address("64:ff9b::").packed[:12] + ip.packed(address)))
        elif ":" not in key[1] and ":" in address:
            stored = self.aliases[address]
        words = ((3, _FULLNAT), (4, weight), (5, 0), (6, 0))
        return netlink.nest(
            2, netlink.attribute(1, ip.packed(stored).ljust(16, b"\0")), netlink.attribute(2, struct.pack("!H", port)),
            *(netlink.attribute(kind, struct.pack("=I", value)) for kind, value in words),
            netlink.attribute(11, _af(stored)),
        )

    def add_server(self, key, server, weight):
        """A real server by FullNAT."""
        self._do(self.ipvs, _NEW_DEST, self._service(key), self._dest(key, server, weight))

    def weigh_server(self, key, server, weight):
        """Another weight."""
        self._do(self.ipvs, _SET_DEST, self._service(key), self._dest(key, server, weight))

    def delete_server(self, key, server):
        """Take a real server away."""
        self._do(self.ipvs, _DEL_DEST, self._service(key), self._dest(key, server, 0))

    def add_local(self, key, address):
        """A local address."""
        local = netlink.nest(_LADDR, netlink.attribute(1, ip.packed(address)))
        self._do(self.flow, _LADDR_NEW, self._named(key), local)

    def delete_local(self, key, address):
        """Take one away."""
        local = netlink.nest(_LADDR, netlink.attribute(1, ip.packed(address)))
        self._do(self.flow, _LADDR_DEL, self._named(key), local)

    def set(self, name, value):
        """A sysctl of IPVS."""
        self.namespace.sysctl(f"net.ipv4.vs.{name}", value)

    def locals(self):
        """Every local address: its connections and conflicts, by service and address."""
        found = {}
        for message in self.flow.ask(_LADDR_GET, dump=True).messages:
            service, local = netlink.parse(message[_SERVICE]), netlink.parse(message[_LADDR])
            key = (int.from_bytes(service[2], "little"), ip.text(service[3]), int.from_bytes(service[4]))
            counts = struct.unpack("=I", local[2])[0], struct.unpack("=Q", local[3])[0]
            found[key, ip.text(local[1])] = counts
        return found

    def counters(self):
        """Every counter: its value, and whether it is a reason to drop packets."""
        found = {}
        for message in self.flow.ask(_COUNTER_GET, dump=True).messages:
            counter = netlink.parse(message[_COUNTER])
            found[counter[1].rstrip(b"\0").decode()] = struct.unpack("=Q", counter[2])[0], 3 in counter
        return found

    def connections(self, server=None):
        """State of every bound connection, or of the one with (protocol, *server), by the ends on both sides."""
        asked = () if server is None else (netlink.nest(
            _CONN, netlink.attribute(2, struct.pack("=H", server[0])),
            netlink.attribute(7, ip.packed(server[1])), netlink.attribute(8, struct.pack("!H", server[2])),
            netlink.attribute(9, ip.packed(server[3])), netlink.attribute(10, struct.pack("!H", server[4])),
        ),)
        found = {}
        for message in self.flow.ask(_CONN_GET, *asked, dump=True).messages:
            one = netlink.parse(message[_CONN])
            ends = [ip.text(one[n]) if n % 2 else int.from_bytes(one[n]) for n in range(3, 11)]
            key = (int.from_bytes(one[2], "little"), tuple(ends[:4]), tuple(ends[4:]))
            found[key] = int.from_bytes(one[11], "little")
        return found

    def knows(self, protocol, client):
        """Whether IPVS has any connection of a client, bound or not."""
        def written(address):
            if ":" in address:
                return ipaddress.ip_address(address).exploded
            return f"{int(ipaddress.ip_address(address)):08X}"

        caddr, cport, vaddr, vport = client
        wanted = [written(caddr), f"{cport:04X}", written(vaddr), f"{vport:04X}"]
        rows = (line.split() for line in self.namespace.read("/proc/net/ip_vs_conn").splitlines()[1:])
        return any(_PROTOCOLS.get(row[0]) == protocol and row[1:5] == wanted for row in rows)

    def close(self):
        """Stop."""
        self.ipvs.close()
        self.flow.close()
