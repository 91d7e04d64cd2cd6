# SPDX-License-Identifier: GPL-2.0
"""Options of a FullNAT service, set through the netlink family."""

import ipaddress
import socket
import struct

from . import netlink
from .director import PROTOCOLS
from .topology import VIP

SERVICE, OPTIONS = 1, 5
SERVICE_SET = 6
_FAMILY, _PROTOCOL, _ADDR, _PORT = 1, 2, 3, 4
_TOA = {"off": 0, "ack": 1, "syn": 2}
_UOA = {"off": 0, "opp": 1, "ipo": 2}


def service(kind, port, vip=VIP):
    """The nested attribute that names a service."""
    address = ipaddress.ip_address(vip)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return netlink.nest(
        SERVICE,
        netlink.attribute(_FAMILY, struct.pack("=H", family)),
        netlink.attribute(_PROTOCOL, struct.pack("=H", PROTOCOLS[kind])),
        netlink.attribute(_ADDR, address.packed),
        netlink.attribute(_PORT, struct.pack("!H", port)),
    )


def introduce(director, kind, port, toa="ack", toa_kind=254, uoa="off", vip=VIP):
    """Say how the servers of a service are told the client's address; connections from now on follow."""
    values = {1: _TOA[toa], 2: toa_kind, 3: _UOA[uoa]}
    _set(director, kind, port, vip, [netlink.attribute(number, bytes((value,))) for number, value in values.items()])


def limit_silence(director, kind, port, seconds, vip=VIP):
    """Say for how long an established connection of a service may be silent."""
    _set(director, kind, port, vip, [netlink.attribute(4, struct.pack("=I", seconds))])


def _set(director, kind, port, vip, given):
    family = netlink.Family(director.namespace, "IPVS_FLOW")
    try:
        answer = family.ask(SERVICE_SET, service(kind, port, vip), netlink.nest(OPTIONS, *given))
    finally:
        family.close()
    assert not answer.error, answer
