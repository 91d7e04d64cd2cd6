# SPDX-License-Identifier: GPL-2.0
"""NAT46: the header of an IPv4 client's packet becomes one of IPv6, and of the answer one of IPv4 (RFC 7915)."""

from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.inet6 import PadN

from lib.vectors.shapes import ANY
from lib.vectors.shapes import TOA
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Error
from lib.vectors.shapes import Segment
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

ADDED = {"fullnat_add_toa_ok": 1}
TOO_BIG = {"fullnat_too_big": 1}
EXPIRED = {"fullnat_ttl_expired": 1}
DESTINATION = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])


def there(sentence, fields, changed, data=b"data", **more):
    """A client's datagram of IPv4, and what the server gets."""
    return vectors("udp46", sentence, Datagram(data, **fields), Datagram(data, **changed), **more)


def back(sentence, fields, changed, data=b"data", **more):
    """The answer of IPv6, and what the client gets."""
    return vectors("udp46", sentence, Datagram(data, **fields), Datagram(data, **changed), way="reply", **more)


REQUEST = (
    [
        there(f"type of service {value:#04x} becomes the traffic class", {"tos": value}, {"tos": value})
        for value in (0, 0x03, 0xB8, 0xFF)
    ]
    + [there(f"TTL {hops} becomes hop limit {hops - 1}", {"hops": hops}, {"hops": hops - 1}) for hops in (2, 255)]
    + [
        there("an identification has no place", {"id": 0xBEEF}, {}),
        there("without DF there is no fragment header either", {"df": False}, {}),
        there("IP options are left out", {"ip_options": b"\x01\x01\x01\x00"}, {}),
        there("40 bytes of IP options are left out", {"ip_options": b"\x01" * 40}, {}),
        there("a datagram without a checksum gets one", {"checksum": 0}, {}),
        there("a datagram of odd length without a checksum gets one", {"checksum": 0}, {}, b"odd"),
        vectors(
            "tcp46",
            "the address of an IPv4 client goes as an option of 8 bytes in an IPv6 packet",
            Segment("PA", b"data"),
            Segment("PA", b"data", [TOA]),
            ADDED,
        ),
        vectors(
            "tcp46",
            "a SYN keeps its options in an IPv6 packet",
            Segment("S", options=bytes.fromhex("020405b4")),
            Segment("S", options=bytes.fromhex("020405b4")),
            {"fullnat_conn_new": 1},
            state="new",
        ),
    ]
)

REPLY = (
    [
        back(f"traffic class {value:#04x} becomes the type of service", {"tos": value}, {"tos": value})
        for value in (0, 0x03, 0xB8, 0xFF)
    ]
    + [back(f"hop limit {hops} becomes TTL {hops - 1}", {"hops": hops}, {"hops": hops - 1}) for hops in (2, 255)]
    + [
        back(f"an answer of {total} bytes may be fragmented", {}, {"df": False, "id": ANY}, bytes(total - 28))
        for total in (28, 1260)
    ]
    + [
        back(f"an answer of {total} bytes may not be fragmented", {}, {"df": True, "id": 0}, bytes(total - 28))
        for total in (1261, 1480)
    ]
    + [
        back("a flow label has no place", {"label": 0xFFFFF}, {}),
        back("destination options are left out", {"extensions": [DESTINATION]}, {}),
        back(
            "a fragment header of a whole answer is left out and lets it be fragmented",
            {"extensions": [IPv6ExtHdrFragment(id=7)]},
            {"df": False, "id": ANY},
            bytes(1300),
        ),
        vectors(
            "tcp46",
            "the MSS of the SYN-ACK is lowered by 8 for an IPv4 client",
            Segment("SA", options=bytes.fromhex("020405a0")),
            Segment("SA", options=bytes.fromhex("02040598")),
            way="reply",
            state="half",
        ),
    ]
)


def told(sentence, kinds, sent, error, counts, **more):
    """A packet that is not forwarded, and the error its sender gets in its own family."""
    return vectors(kinds, sentence, sent, Out(error, back=True), counts, **more)


FULL, SMALL, BIG = Datagram(bytes(1472)), Datagram(bytes(1372)), Datagram(bytes(1452))
OLD4, OLD6 = Datagram(b"data", hops=1), Datagram(b"data", hops=1)
OWN4 = {"hops": 64, "id": ANY, "df": False, "tos": 0xC0}
ERRORS = [
    told("a TTL of 1 is answered in IPv4", "udp46", OLD4, Error(11, 0, OLD4, keep=None, **OWN4), EXPIRED),
    told(
        "a hop limit of 1 is answered in IPv6",
        "udp46",
        OLD6,
        Error(3, 0, OLD6, keep=None, hops=64, label=0),
        EXPIRED,
        way="reply",
    ),
    there("a packet of 1480 bytes fits, since it becomes one of 1500", {}, {}, bytes(1452)),
    told(
        "a packet of 1500 bytes does not fit: the client may send 1480",
        "udp46",
        FULL,
        Error(3, 4, FULL, (1480).to_bytes(4), keep=528, **OWN4),
        TOO_BIG,
    ),
    told(
        "it is the MTU of the route that counts: the client may send 1380",
        "udp46-small",
        SMALL,
        Error(3, 4, SMALL, (1380).to_bytes(4), keep=528, **OWN4),
        TOO_BIG,
    ),
    back("an answer of 1500 bytes fits, since it becomes one of 1480", {}, {"df": True, "id": 0}, bytes(1452)),
]


@each(*REQUEST, *REPLY, *ERRORS)
def test_vector(lab, vector):
    lab.check(vector)
