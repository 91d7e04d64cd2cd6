# SPDX-License-Identifier: GPL-2.0
"""Requests to the netlink family that are wrong: refused with an error and a sentence, and nothing half done."""

import os
import socket
import struct

import pytest

from lib.netlink import Family
from lib.netlink import attribute
from lib.netlink import nest
from lib.topology import LOCAL
from lib.topology import VIP

LADDR_NEW, LADDR_DEL, LADDR_GET, CONN_GET, COUNTER_GET = range(1, 6)
SERVICE, LADDR, CONN = 1, 2, 3
OTHER = "192.168.229.210"


def u16(kind, value):
    return attribute(kind, struct.pack("=H", value))


def be16(kind, value):
    return attribute(kind, struct.pack("!H", value))


def address(kind, text):
    return attribute(kind, socket.inet_aton(text))


def service(port=80, **other):
    """The service of these tests; a keyword replaces one attribute, None leaves it out."""
    parts = {
        "family": u16(1, socket.AF_INET), "protocol": u16(2, socket.IPPROTO_TCP),
        "address": address(3, VIP),
        "port": be16(4, port) if isinstance(port, int) else port, **other,
    }
    return nest(SERVICE, *(part for part in parts.values() if part is not None))


def laddr(text=OTHER):
    return nest(LADDR, address(1, text))


@pytest.fixture
def family(topology, fullnat):
    """The netlink family, with a check that nothing was changed."""
    family = Family(topology.director, "IPVS_FLOW")
    before = fullnat.adm("-S", "-n"), fullnat.adm("-G", "-n")
    yield family
    assert (fullnat.adm("-S", "-n"), fullnat.adm("-G", "-n")) == before, "something was half done"
    family.close()


def test_a_right_request_is_done(family):
    assert family.ask(LADDR_NEW, service(), laddr()).error == 0
    assert family.ask(LADDR_DEL, service(), laddr()).error == 0


MULTICAST_V6 = attribute(1, socket.inet_pton(socket.AF_INET6, "ff02::1"))


@pytest.mark.parametrize("command, error, request_", [
    (LADDR_NEW, "EINVAL", []),
    (LADDR_NEW, "EINVAL", [service()]),
    (LADDR_NEW, "EINVAL", [laddr()]),
    (LADDR_NEW, "EINVAL", [service(), nest(LADDR)]),
    (LADDR_NEW, "EINVAL", [nest(SERVICE), laddr()]),
    (LADDR_NEW, "EINVAL", [service(family=None), laddr()]),
    (LADDR_NEW, "EINVAL", [service(protocol=None), laddr()]),
    (LADDR_NEW, "EINVAL", [service(address=None), laddr()]),
    (LADDR_NEW, "EINVAL", [service(port=None), laddr()]),
    (LADDR_NEW, "EINVAL", [service(), nest(LADDR, MULTICAST_V6)]),
    (LADDR_NEW, "EEXIST", [service(), laddr(LOCAL)]),
    (LADDR_NEW, "ESRCH", [service(port=81), laddr()]),
    (LADDR_NEW, "ESRCH", [service(address=address(3, "10.0.96.205")), laddr()]),
    (LADDR_NEW, "ENOTSUP", [service(protocol=u16(2, socket.IPPROTO_GRE)), laddr()]),
    (LADDR_DEL, "ENOENT", [service(), laddr()]),
    (LADDR_DEL, "ESRCH", [service(port=81), laddr()]),
    (LADDR_DEL, "ESRCH", [service(port=81)]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_missing_or_not_there_is_named(family, command, error, request_):
    answer = family.ask(command, *request_)
    assert answer.name == error
    assert answer.text, "a refusal must come with a sentence"


@pytest.mark.parametrize("request_", [
    [service(family=u16(1, 77)), laddr()],
    [service(family=u16(1, socket.AF_INET6)), laddr()],
    [service(family=attribute(1, b"\x02")), laddr()],
    [service(family=attribute(1, b"\x02\0\0\0\0\0\0\0")), laddr()],
    [service(address=attribute(3, b"\x0a\0")), laddr()],
    [service(address=attribute(3, bytes(64))), laddr()],
    [service(port=attribute(4, b"\0")), laddr()],
    [service(fwmark=attribute(5, struct.pack("=I", 7))), laddr()],
    [service(), nest(LADDR, attribute(1, b"\x0a"))],
    [service(), nest(LADDR, attribute(1, bytes(17)))],
    [service(), nest(LADDR, attribute(1, b""))],
    [service(), nest(LADDR, address(1, "0.0.0.0"))],
    [service(), nest(LADDR, address(1, "224.0.0.1"))],
    [service(), nest(LADDR, address(1, "255.255.255.255"))],
    [service(), laddr(), nest(60, u16(1, 1))],
    [service(unknown=attribute(99, b"what?")), laddr()],
    [attribute(SERVICE, b"not a nest at all"), laddr()],
    [service(), attribute(LADDR, b"\xff\xff\x01\x00")],
    [service(), laddr(), attribute(LADDR, b"", length=400)],
    [service(), laddr(), attribute(LADDR, b"", length=2)],
], ids=str)
def test_what_is_malformed_is_refused(family, request_):
    answer = family.ask(LADDR_NEW, *request_)
    assert answer.error, "the request was carried out"


@pytest.mark.parametrize("request_", [
    [service(), service(port=81), laddr()],
    [service(), laddr(), laddr(LOCAL)],
    [service(), nest(LADDR, address(1, OTHER), address(1, "192.168.229.211"))],
])
def test_what_is_doubled_is_done_once_or_refused(family, request_):
    answer = family.ask(LADDR_NEW, *request_)
    if not answer.error:
        assert family.ask(LADDR_DEL, service()).error == 0
        assert family.ask(LADDR_NEW, service(), laddr(LOCAL)).error == 0


@pytest.mark.parametrize("body", [
    b"", b"\x01", b"\x63\x01\0\0", b"\0\x01\0\0", b"\x01\x09\0\0" + b"\xff" * 64, os.urandom(4000),
])
def test_bodies_that_are_no_request_are_refused(family, body):
    assert family.ask(0, body=body).error


def test_who_is_not_root_may_not_change_anything(topology, family):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "rsipvsadm")
    for words in (("-Q", "-t", f"{VIP}:80", "-z", LOCAL), ("-P", "-t", f"{VIP}:80", "-z", OTHER), ("-C",)):
        refused = topology.director.run(*nobody, *words, code=1)
        assert len(refused.stderr.splitlines()) == 1


def test_dumps_ignore_what_they_do_not_need(family):
    for command in (LADDR_GET, CONN_GET, COUNTER_GET):
        assert family.ask(command, dump=True).error == 0


def test_a_dump_for_a_service_that_is_not_there_says_so_or_is_empty(family):
    answer = family.ask(LADDR_GET, service(port=81), dump=True)
    assert answer.name in ("ok", "ESRCH") and not answer.messages


def test_a_connection_filter_that_is_malformed_is_refused(family):
    for wrong in (nest(CONN, attribute(3, bytes(3))), nest(CONN, attribute(4, b"\0")), attribute(CONN, b"junk")):
        assert family.ask(CONN_GET, wrong, dump=True).error


def test_an_address_on_many_services_counts_for_each(fullnat):
    for port in range(8100, 8120):
        fullnat.fullnat("-t", port)
    rows = fullnat.adm("-G", "-n")
    assert rows.count(LOCAL) == 22
