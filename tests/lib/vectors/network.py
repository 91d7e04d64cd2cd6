# SPDX-License-Identifier: GPL-2.0
"""The addresses of the vectors' network, and the kinds of service in it.

    client 203.0.113.7   --- near --- director --- far --- server 192.0.2.9
           2001:db8::1                VIP 198.51.100.80           2001:db8:f::9
                                      VIP 2001:db8:80::80
                                      local addresses 192.0.2.204, 2001:db8:f::204

Neither client nor server has a kernel that answers. An address that ends in 77 is behind a route with a smaller MTU.
"""

import dataclasses

NEAR, FAR = "client", "server"
MTU = 1500
SMALL_MTU = 1400

CLIENT = {4: "203.0.113.7", 6: "2001:db8::1"}
VIP = {4: "198.51.100.80", 6: "2001:db8:80::80"}
LOCAL = {4: "192.0.2.204", 6: "2001:db8:f::204"}
SERVER = {4: "192.0.2.9", 6: "2001:db8:f::9"}
SMALL_CLIENT = {4: "203.0.113.77", 6: "2001:db8::77"}
SMALL_SERVER = {4: "192.0.2.77", 6: "2001:db8:f::77"}
ROUTER = {NEAR: {4: "203.0.113.33", 6: "2001:db8::33"}, FAR: {4: "192.0.2.33", 6: "2001:db8:f::33"}}
DIRECTOR = {NEAR: {4: "203.0.113.254", 6: "2001:db8::fe"}, FAR: {4: "192.0.2.254", 6: "2001:db8:f::fe"}}

CLIENT_ISN, SERVER_ISN = 1000, 5000
TCP, UDP, SCTP = 6, 17, 132
_FLAG = {TCP: "-t", UDP: "-u", SCTP: "--sctp-service"}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One sort of service: a protocol, the families of both sides, and options of its own."""

    name: str
    protocol: int
    near: int
    far: int
    vport: int
    rport: int
    options: tuple = ()
    small: bool = False

    @property
    def server(self):
        """The real server's address."""
        return (SMALL_SERVER if self.small else SERVER)[self.far]

    def rules(self):
        """The lines that make the service."""
        host, server = (f"[{a}]" if ":" in a else a for a in (VIP[self.near], self.server))
        service = f"{_FLAG[self.protocol]} {host}:{self.vport}"
        return [
            " ".join((f"-A {service} -s rr", *self.options)),
            f"-P {service} -z {LOCAL[self.far]}",
            f"-a {service} -r {server}:{self.rport} -b",
        ]


def _kinds():
    families = {"4": (4, 4), "6": (6, 6), "64": (6, 4), "46": (4, 6)}
    for number, (suffix, sides) in enumerate(families.items()):
        for protocol, word in ((TCP, "tcp"), (UDP, "udp")):
            yield Kind(f"{word}{suffix}", protocol, *sides, 80 + number, 8080 + number)
            yield Kind(f"{word}{suffix}-small", protocol, *sides, 90 + number, 8090 + number, small=True)
    for suffix in ("4", "6"):
        yield Kind(f"sctp{suffix}", SCTP, *families[suffix], 80, 8080)
    number = 100
    for suffix, sides in families.items():
        modes = [("tcp", TCP, mode, ("--toa", mode)) for mode in ("syn", "off")]
        modes += [("tcp", TCP, kind, ("--toa-kind", kind)) for kind in ("200", "253")]
        modes += [("udp", UDP, mode, ("--uoa", mode)) for mode in ("opp", "ipo")]
        modes.append(("udp", UDP, "opp-small", ("--uoa", "opp")))
        modes.append(("udp", UDP, "ipo-small", ("--uoa", "ipo")))
        for word, protocol, mode, options in modes:
            number += 1
            yield Kind(
                f"{word}{suffix}-{mode}", protocol, *sides, number, 8000 + number, options, mode.endswith("small")
            )


KINDS = {kind.name: kind for kind in _kinds()}


@dataclasses.dataclass
class Flow:
    """A connection through a service; the local port is not known before the server has seen it."""

    kind: Kind
    cport: int
    lport: int | None = None
    client: str = ""

    def __post_init__(self):
        self.client = self.client or CLIENT[self.kind.near]

    def family(self, place):
        """The family that is spoken there."""
        return self.kind.near if place == NEAR else self.kind.far

    def ends(self, place, way):
        """Source address and port, destination address and port of a packet at a place."""
        kind = self.kind
        if place == NEAR:
            client, service = (self.client, self.cport), (VIP[kind.near], kind.vport)
        else:
            client, service = (LOCAL[kind.far], self.lport), (kind.server, kind.rport)
        return client + service if way == "request" else service + client
